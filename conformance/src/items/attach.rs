//! B. The first words, what the provider says of itself, and Cancel.

use std::time::{Duration, Instant};

use crate::{
    item::{Item, Outcome, expect},
    run::{Run, Special},
};

pub(super) const ITEMS: &[Item] = &[
    Item { number: 23, title: "GetPluginInfo tells the version of the schema", check: |run| Box::pin(same_version(run)) },
    Item {
        number: 25,
        title: "Cancel answers within 100 ms when nothing is to be done, twice",
        check: |run| Box::pin(idle_cancel(run)),
    },
];

async fn same_version(run: &Run) -> Outcome {
    let mut provider = run.start(Special::default()).await?;
    let version = provider.client.get_plugin_info(()).await?.into_inner().version;
    expect(semver::Version::parse(&version).is_ok(), "a semantic version without v", &version)?;
    let schema = run.schema()?.version();
    expect(schema.is_empty() || version == schema, format!("version {schema}, as in the schema"), version)
}

async fn idle_cancel(run: &Run) -> Outcome {
    let mut provider = run.configured().await?;
    for time in ["first", "second"] {
        let started = Instant::now();
        provider.client.cancel(()).await?;
        let took = started.elapsed();
        expect(took < Duration::from_millis(100), format!("the {time} answer within 100 ms"), format!("{took:?}"))?;
    }
    Ok(())
}
