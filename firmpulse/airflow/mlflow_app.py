"""MLflow's server without the parts that a model registry does not need.

MLflow includes an assistant that runs shell commands on the server for anyone who can open the
page, a gateway to language models, and tool registries. Only the routes listed here are served:
`mlflow server --app-name firmpulse`.
"""

from mlflow.server.fastapi_app import app

_SERVED = {
    # The pages and the API of experiments and models, mounted as a whole.
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
