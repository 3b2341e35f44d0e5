"""What MLflow is told of a model's input and output."""

from typing import Any

from crmintel.columns import CUSTOMER
from crmintel.scoring import CustomerModel


def signature(model: Any) -> Any:
    """Names of columns without types: MLflow's own check of types shows the cell that breaks it, ours names the column.

    Interactions and rows of features are both welcome, so every column is optional here; `predict` says what is missing.
    """
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, ParamSchema, ParamSpec, Schema

    if isinstance(model, CustomerModel):
        features = [] if model.features is None else model.features.names
        names = [*model.reads, *features]
    else:
        names = [CUSTOMER, *getattr(model, "feature_names_in_", [])]
    columns = Schema([ColSpec(AnyType(), str(n), required=False) for n in dict.fromkeys(names)])
    return ModelSignature(columns, None, ParamSchema([ParamSpec("at", "string", "")]))
