"""MLflow's server without what a registry of models has no use for.

MLflow brings an assistant that runs shell commands on the server for whoever reaches the page, a
gateway to language models, and registries of tools. Only what is named here is served:
`mlflow server --app-name firmpulse`.
"""

from mlflow.server.fastapi_app import app

_SERVED = {
    # The pages and the interface of experiments and models, mounted as a whole.
    "",
    "/health",
    *(f"{api}/3.0/mlflow/server-info" for api in ("/api", "/ajax-api")),
    *(
        f"{api}/2.0/mlflow-artifacts/artifacts/{{artifact_path:path}}"
        for api in ("/api", "/ajax-api")
    ),
}

app.router.routes[:] = [
    route for route in app.router.routes if getattr(route, "path", None) in _SERVED
]
