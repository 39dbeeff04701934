//! The suite on the sample provider: it passes every item, and with the fault of an item it fails that item.

#[path = "support/cloud.rs"]
mod cloud;

use std::{collections::BTreeMap, path::Path, time::Duration};

use futures::{StreamExt as _, stream};
use provider_conformance::{
    check,
    item::{Item, Stop},
    items,
    report::Report,
    run::{Options, Run, Source},
    samples::Samples,
};

/// How many providers are at work at once.
const AT_ONCE: usize = 4;

/// The items about how a provider starts.
const STARTING: [u16; 8] = [1, 5, 6, 7, 8, 9, 12, 19];

fn samples() -> Samples {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample/samples.yaml");
    Samples::read(Some(&file)).expect("a file of samples")
}

async fn report(items: &[Item], fault: Option<u16>) -> Report {
    let mut samples = samples();
    samples.provider.environment.extend(fault.map(|it| ("FAULT".to_owned(), it.to_string())));
    // That fault shows only while the cloud changes a thing: for longer than a busy machine takes to ask again.
    let pace = if fault == Some(108) { 1000 } else { 20 };
    let cloud = cloud::start(Duration::from_millis(pace)).await.expect("a cloud");
    let options = Options {
        provider: Source::Program(env!("CARGO_BIN_EXE_pulumi-resource-sample").into()),
        samples,
        clouds: BTreeMap::from([("cloud".to_owned(), cloud)]),
        pulumi: std::env::var_os("CONFORMANCE_PULUMI").map(Into::into),
    };
    let run = Run::new(options).await.expect("a run");
    check(&run, items, |_| {}).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_without_a_fault_passes() {
    let report = report(&items::all(), None).await;
    let pulumi = std::env::var_os("CONFORMANCE_PULUMI").is_some();
    let missed = report.rows.iter().filter(|row| match &row.outcome {
        Ok(()) => false,
        Err(Stop::Failed { .. }) => true,
        // Without Pulumi's own command, a few items cannot be shown.
        Err(Stop::NotApplicable(why)) => pulumi || !why.contains("--pulumi"),
    });
    assert_eq!(missed.count(), 0, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_item_catches_its_fault() {
    let pulumi = std::env::var_os("CONFORMANCE_PULUMI").is_some();
    let tried = stream::iter(items::all()).map(|item| async move {
        let report = report(&[item], Some(item.number)).await;
        match &report.rows[0].outcome {
            // A provider that does not start fails all items: that catches only a fault of its start.
            Err(Stop::Failed { expected, seen })
                if expected == "a provider to speak with" && !STARTING.contains(&item.number) =>
            {
                Some(format!("{} {}: only that {seen}", item.number, item.title))
            }
            Err(Stop::Failed { .. }) => None,
            Err(Stop::NotApplicable(why)) if !pulumi && why.contains("--pulumi") => None,
            other => Some(format!("{} {}: {other:?}", item.number, item.title)),
        }
    });
    let missed: Vec<_> = tried.buffer_unordered(AT_ONCE).filter_map(async |it| it).collect().await;
    assert!(missed.is_empty(), "{} faults are not caught:\n{}", missed.len(), missed.join("\n"));
}

#[tokio::test]
async fn samples_that_do_not_fit_are_told() {
    let mut samples = samples();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "resources: { Thing: { inputs: { zone: '${Part.id}' } }, Crate: { inputs: {} } }")
        .expect("written");
    samples.resources = Samples::read(Some(file.path())).expect("samples").resources;
    let provider = Source::Program(env!("CARGO_BIN_EXE_pulumi-resource-sample").into());
    let run = Run::new(Options { provider, samples, clouds: BTreeMap::new(), pulumi: None }).await.expect("a run");
    let mistakes = run.mistakes().join("; ");
    for told in ["Thing refers to Part, of which there is no sample before it", "the schema has no resource Crate"] {
        assert!(mistakes.contains(told), "{mistakes}");
    }
}
