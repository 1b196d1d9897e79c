"""Great Expectations' files under `data_docs`: results in `gx/`, static pages beside it."""

from typing import Any

from firmpulse.settings import Settings

_SITE = _SOURCE = "firmpulse"
_PAGE_VIEW = {"module_name": "expectations.pages", "class_name": "OfflinePageView"}
_INDEX_VIEW = {"module_name": "expectations.pages", "class_name": "OfflineIndexView"}


def open_context(settings: Settings) -> Any:
    """Return the file context whose pages land in `settings.data_docs`."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    settings.data_docs.mkdir(parents=True, exist_ok=True)
    context = gx.get_context(mode="file", project_root_dir=settings.data_docs)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    # It would be read again whenever a setting is looked up; there is nothing in it.
    context.variables.config_variables_file_path = None
    site = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": str(settings.data_docs),
        },
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "view": _INDEX_VIEW},
        "site_section_builders": {
            "expectations": {"view": _PAGE_VIEW},
            "validations": {"view": _PAGE_VIEW},
            "profiling": "none",
        },
    }
    for name in list(context.list_data_docs_sites()):
        context.delete_data_docs_site(name)
    context.add_data_docs_site(_SITE, site)
    return context


def checkpoint(context: Any, suite: Any, result_format: dict[str, Any]) -> Any:
    """Return the checkpoint that checks a frame against `suite` and refreshes its pages."""
    import great_expectations as gx
    from great_expectations.checkpoint import UpdateDataDocsAction

    source = context.data_sources.add_or_update_pandas(_SOURCE)
    asset = source.add_dataframe_asset(name=suite.name)
    batch = asset.add_batch_definition_whole_dataframe("batch")
    definition = context.validation_definitions.add_or_update(
        gx.ValidationDefinition(name=suite.name, data=batch, suite=suite)
    )
    return context.checkpoints.add_or_update(
        gx.Checkpoint(
            name=suite.name,
            validation_definitions=[definition],
            actions=[UpdateDataDocsAction(name="pages", site_names=[_SITE])],
            result_format=result_format,
        )
    )
