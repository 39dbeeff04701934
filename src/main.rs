//! The provider. All that it does is in the library, which its tests use as well.

fn main() -> anyhow::Result<()> {
    fargate::serve(&fargate::FARGATE)
}
