//! The provider. All that it does is in the library, which its tests use as well.

fn main() -> anyhow::Result<()> {
    pulumi_provider::serve(&fargate::FARGATE)
}
