"""The parameters of a constructor as a pydantic model.

A component declares its parameters only by the annotations and defaults of its constructor. The model has a field for
each of them, except for the parameters that the core provides (`PROVIDED`).
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Annotated, Any, ClassVar, Union

import pydantic

from eco_core.errors import Problem, SpecError
from eco_core.inject.calls import EMPTY, VARIADIC, describe

PROVIDED = ("in_channels", "n_features", "n_clusters", "num_nodes", "seed", "random_state")
"""Constructor names that the core provides: graph width, encoder width, number of clusters, of nodes, and the seed."""


_TORCH_MODULE = "torch.nn.modules.module"


class ParameterModel(pydantic.BaseModel):
    """Base of the models derived from constructors. Field names carry a prefix; aliases are the parameter names.

    Instances can be copied and pickled. Unpickling derives the model again from the target, so the target must be a
    class or function at the top level of a module.
    """

    model_config = pydantic.ConfigDict(
        arbitrary_types_allowed=True, coerce_numbers_to_str=True, protected_namespaces=(), validate_default=False
    )
    target: ClassVar[Any] = None
    provided: ClassVar[tuple[str, ...]] = ()
    reserved: ClassVar[tuple[str, ...]] = PROVIDED

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the target instead of this class: pickle cannot name a class that is made at run time."""
        cls = type(self)
        # Not self.target: a function found on an instance would become a method of it.
        return _empty_model, (cls.target, cls.reserved), self.__getstate__()

    def values(self) -> dict[str, Any]:
        """The parameters by name, including extra ones; nested parameters are models."""
        fields = {field.alias or name: getattr(self, name) for name, field in type(self).model_fields.items()}
        return {**fields, **(self.model_extra or {})}

    def given(self) -> set[str]:
        """The names of the parameters that were given; all other parameters have their defaults."""
        fields = type(self).model_fields
        return {fields[name].alias or name if name in fields else name for name in self.model_fields_set}

    def construct_target(self, names: Mapping[str, Any]) -> Any:
        """Calls the target with its parameters, and with the provided ``names`` that its signature has."""
        given = {name: names[name] for name in self.provided if name in names}
        # From the class: a function found on an instance would become a method of it.
        return type(self).target(**given, **{name: _construct(value, names) for name, value in self.values().items()})


class _Closed(ParameterModel):
    model_config = pydantic.ConfigDict(extra="forbid")


class _Open(ParameterModel):
    model_config = pydantic.ConfigDict(extra="allow")


def _construct(value: Any, names: Mapping[str, Any]) -> Any:
    if isinstance(value, ParameterModel):
        return value.construct_target(names)
    if isinstance(value, (list, tuple)):
        return type(value)(_construct(item, names) for item in value)
    if isinstance(value, dict):
        return {key: _construct(item, names) for key, item in value.items()}
    return value


def parameter_model(target: Any, provided: tuple[str, ...] = PROVIDED) -> type[ParameterModel]:
    """Derives the pydantic model of a constructor's (or a function's) user parameters.

    The model of a target is derived once in a process (a cache keeps the last thousand targets), so that all callers
    get the same class.

    Args:
        target: A class or a function.
        provided: Names of parameters that the core provides; the model leaves them out.

    Raises:
        SpecError: ECO108, for all parameters whose annotation cannot be resolved.
    """
    if not isinstance(target, Hashable):
        return _derived_model.__wrapped__(target, provided)
    return _derived_model(target, provided)


@functools.lru_cache(maxsize=1024)
def _derived_model(target: Any, provided: tuple[str, ...]) -> type[ParameterModel]:
    try:
        parameters, extra = _signature(target)
    except (TypeError, ValueError) as error:
        raise SpecError(
            Problem(
                "ECO108",
                f"The parameters of {describe(target)} cannot be read: {error}.",
                "Wrap it in a class whose __init__ is written in Python, or give the part as an instance.",
            )
        ) from error
    fields: dict[str, Any] = {}
    problems: list[Problem] = []
    for parameter in parameters:
        if parameter.name in provided:
            continue
        if parameter.name == "name":
            problems.append(
                Problem(
                    "ECO108",
                    f"{describe(target)} has a constructor parameter 'name', but in a spec 'name' is the component's "
                    "name.",
                    "Rename the parameter.",
                )
            )
            continue
        try:
            annotation = _field_type(resolve_annotation(parameter, target), (target,))
        except (UnresolvableError, SpecError) as error:
            problems.append(
                Problem(
                    "ECO108",
                    f"Parameter '{parameter.name}' of {describe(target)} cannot be read from a spec: {error}.",
                    "Annotate it with a type that can be written in YAML (numbers, strings, lists, or a class whose "
                    "constructor has only such parameters), or give the part as an instance.",
                )
            )
            continue
        default = ... if parameter.default is EMPTY else parameter.default
        if isinstance(default, pydantic.BaseModel):
            complete = default.model_dump(by_alias=True)
            annotation = Annotated[annotation, pydantic.BeforeValidator(_completed_by(complete))]
        elif dataclasses.is_dataclass(default) and not isinstance(default, type):
            annotation = Annotated[annotation, pydantic.BeforeValidator(_completed_by(dataclasses.asdict(default)))]
        fields[f"p_{parameter.name}"] = (annotation, pydantic.Field(default, alias=parameter.name))
    if problems:
        raise SpecError(*problems)
    model = pydantic.create_model(describe(target), __base__=_Open if extra else _Closed, **fields)
    model.target = target
    model.provided = tuple(p.name for p in parameters if p.name in provided)
    model.reserved = provided
    return model


def _empty_model(target: Any, reserved: tuple[str, ...]) -> ParameterModel:
    """Makes an instance without values; pickle sets them."""
    model = parameter_model(target, reserved)
    return model.__new__(model)


def _completed_by(complete: dict[str, Any]) -> Callable[[Any], Any]:
    """Returns a validator that fills the missing keys of a mapping from the parameter's default."""
    return lambda value: _over(complete, value) if isinstance(value, Mapping) else value


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    deeper = (key for key, value in above.items() if isinstance(value, Mapping) and isinstance(below.get(key), Mapping))
    return {**below, **above, **{key: _over(below[key], above[key]) for key in deeper}}


def _signature(target: Any) -> tuple[list[inspect.Parameter], bool]:
    if isinstance(target, type) and getattr(target.__init__, "__module__", "") == _TORCH_MODULE:  # type: ignore[misc]
        return [], False  # nn.Module's own constructor has *args and **kwargs, but rejects all arguments.
    signature = inspect.signature(target)
    parameters = [p for p in signature.parameters.values() if p.kind not in VARIADIC]
    return parameters, any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.parameters.values())


class UnresolvableError(Exception):
    """An annotation that does not evaluate, or that contains itself."""


def resolve_annotation(parameter: inspect.Parameter, target: Any) -> Any:
    """Evaluates the annotation of one parameter; the others may be unresolvable.

    Args:
        parameter: From the signature of the target.
        target: A class or a function.

    Raises:
        UnresolvableError: If it names something that its module does not have.
    """
    annotation = parameter.annotation
    if annotation is EMPTY:
        if parameter.default is EMPTY or parameter.default is None:
            return Any
        return Callable if inspect.isroutine(parameter.default) else type(parameter.default)
    if not isinstance(annotation, str):
        return annotation
    for function in _definitions(target):
        namespace = {**vars(sys.modules[function.__module__]), **vars(typing)}
        namespace.update(vars(sys.modules[function.__module__]))
        try:
            return eval(annotation, namespace)  # noqa: S307 - the annotation is code of a module that is imported
        except Exception as error:
            problem = error
    raise UnresolvableError(f"its annotation {annotation!r} does not resolve ({problem})")


def _definitions(target: Any) -> list[Any]:
    """The functions whose modules define a target's annotations: the target itself, or the constructors of a class."""
    if isinstance(target, type):
        return [vars(base)["__init__"] for base in target.__mro__[:-1] if "__init__" in vars(base)]
    return [inspect.unwrap(getattr(target, "func", target))]


def _field_type(annotation: Any, seen: tuple[Any, ...]) -> Any:
    """Rewrites an annotation so that pydantic can validate it: other classes become models of their parameters."""
    if annotation is Any or annotation is None or isinstance(annotation, (str, typing.ForwardRef, typing.TypeVar)):
        return Any if isinstance(annotation, (str, typing.ForwardRef, typing.TypeVar)) else annotation
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        annotated = (_field_type(arguments[0], seen), *arguments[1:])
        return Annotated[annotated]
    if origin in (Union, types.UnionType):
        return Union[tuple(_field_type(argument, seen) for argument in arguments)]  # noqa: UP007 - built at run time
    if origin in (list, tuple, dict, set, frozenset) or (
        isinstance(origin, type) and issubclass(origin, (Iterable, Mapping)) and arguments
    ):
        return origin[tuple(a if a is ... else _field_type(a, seen) for a in arguments)]
    if _is_known(annotation):
        return annotation
    cls = annotation if origin is None else origin
    # Annotations that are no types, such as the function `callable` or the tuple (int, float), accept any value.
    return _class_type(cls, seen) if isinstance(cls, type) else Any


def _is_known(annotation: Any) -> bool:
    try:
        pydantic.TypeAdapter(annotation)
    except (pydantic.PydanticUserError, pydantic.errors.PydanticUndefinedAnnotation):
        return False
    return True


def _class_type(cls: type, seen: tuple[Any, ...]) -> Any:
    """Returns the field type of a class that pydantic cannot validate: an instance, or a mapping of its parameters."""
    instance = pydantic.InstanceOf[cls]  # type: ignore[valid-type]
    if cls in seen:
        raise UnresolvableError(f"the parameters of {cls.__name__} contain {cls.__name__} again")
    try:
        _, extra = _signature(cls)
    except (TypeError, ValueError):
        return instance
    if extra and inspect.isabstract(cls):
        return instance
    try:
        model = _nested_model(cls)
    except SpecError:
        return instance
    return instance if model is None else Union[instance, model]  # noqa: UP007 - built at run time


def _nested_model(cls: type) -> type[ParameterModel] | None:
    parameters, _ = _signature(cls)
    # A class without constructor parameters (nn.Module) has nothing to configure: only its instances are accepted.
    return parameter_model(cls) if parameters else None
