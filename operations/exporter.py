"""The status as Prometheus metrics, in a file that node_exporter's textfile collector reads."""

from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from operations.finding import PROBLEM, WARNING
from operations.status import Status


def write(status: Status, target: Path) -> None:
    """Write the metrics; the file is swapped in whole, so a collector never reads half of it."""
    registry = CollectorRegistry()

    def gauge(name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"firmpulse_{name}", about, labels, registry=registry)

    findings = gauge("findings", "Things that need attention", "severity")
    for severity in (PROBLEM, WARNING):
        findings.labels(severity).set(sum(f.severity == severity for f in status.findings))
    subjects = gauge("subject_findings", "Things that need attention", "severity", "subject")
    for finding in status.findings:
        subjects.labels(finding.severity, finding.subject).inc()
    gauge("warehouse_busy", "1 while a task holds the warehouse").set(status.busy)
    gauge("disk_free_bytes", "Free space on the disk of the databases").set(status.free_bytes)
    gauge("scored_firms", "Scores of the newest published night").set(status.scored)
    levels = gauge("warning_firms", "Firms by warning level in force", "level")
    for level, count in status.levels.items():
        levels.labels(level).set(count)
    if status.published is not None:
        gauge("published_night_age_days", "Days from the newest published night to today").set(
            (status.on - status.published).days
        )
    age = gauge("source_age_days", "Age of a provider's newest row", "source", "provider")
    for one in status.ages:
        age.labels(one.source, one.provider).set(one.days)
    seconds = gauge("step_seconds", "Seconds of a step of the newest night", "step", "part")
    rows = gauge("step_rows", "Rows of output of a step", "step", "part")
    memory = gauge("step_peak_bytes", "Largest resident memory in a step", "step", "part")
    failed = gauge("step_failed", "1 if the last run of a step failed", "step", "part")
    for step in status.night.steps if status.night else ():
        labels = (step.step, step.part)
        seconds.labels(*labels).set(step.seconds)
        failed.labels(*labels).set(step.state == "failed")
        if step.rows_out is not None:
            rows.labels(*labels).set(step.rows_out)
        if step.peak_mb is not None:
            memory.labels(*labels).set(step.peak_mb * 2**20)
    write_to_textfile(str(target), registry)
