"""Graphs larger than full-batch training and memory: conversion, sampling, training and inference, measured."""
