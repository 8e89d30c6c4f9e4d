"""One declaration of a parameter's range for specs and for Python: constructors check their own annotations."""

from __future__ import annotations

import functools
import inspect
import typing
from typing import Annotated, Any, Literal, TypeVar

import pydantic

from eco_core.inject.parameters import UnresolvableError, resolve_annotation
from eco_core.inject.problems import reason_of, shown

Class = TypeVar("Class", bound=type[Any])


def checked(cls: Class) -> Class:
    """Makes a constructor check its arguments by its annotations (a class decorator).

    A range or a choice is then declared once, as ``Annotated[int, Field(ge=1)]`` or ``Literal["a", "b"]``: specs are
    checked by it before anything is built, and direct calls when they are made. Parameters with other annotations, and
    defaults, are not checked. Values reach the constructor as pydantic converts them (a NumPy integer becomes an int).

    Args:
        cls: A class with a constructor of its own. A dataclass is decorated above ``@dataclass``.

    Returns:
        The same class. Its constructor raises ValueError, naming the parameter and the value, if a value is outside its
        range.
    """
    init = vars(cls)["__init__"]
    signature = inspect.signature(init)

    @functools.cache
    def adapters() -> dict[str, pydantic.TypeAdapter[Any]]:
        return _adapters(cls, signature)  # On first use: annotations may name what the module defines further below.

    @functools.wraps(init)
    def check_and_construct(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            bound = signature.bind(self, *args, **kwargs)
        except TypeError:
            init(self, *args, **kwargs)  # Python's own message names the constructor.
            raise
        for name, adapter in adapters().items():
            if name in bound.arguments:
                bound.arguments[name] = _checked_value(name, bound.arguments[name], adapter)
        init(*bound.args, **bound.kwargs)

    cls.__init__ = check_and_construct
    return cls


def _checked_value(name: str, value: Any, adapter: pydantic.TypeAdapter[Any]) -> Any:
    """Returns the value as pydantic converts it; raises ValueError if it does not fit the parameter's annotation."""
    try:
        return adapter.validate_python(value)
    except pydantic.ValidationError as error:
        reasons = dict.fromkeys(reason_of(detail) for detail in error.errors(include_url=False))
        raise ValueError(f"{name} is {shown(value)}: {'; or '.join(reasons)}.") from None


def _adapters(cls: type, signature: inspect.Signature) -> dict[str, pydantic.TypeAdapter[Any]]:
    """The validators of the parameters that declare a range or a choice."""
    found = {}
    for parameter in signature.parameters.values():
        try:
            annotation = resolve_annotation(parameter, cls)
        except UnresolvableError:
            continue  # Reading the parameters from a spec reports it.
        if _declares_range(annotation):
            found[parameter.name] = pydantic.TypeAdapter(annotation)
    return found


def _declares_range(annotation: Any) -> bool:
    origin = typing.get_origin(annotation)
    return origin in (Annotated, Literal) or any(map(_declares_range, typing.get_args(annotation)))
