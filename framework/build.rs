//! Compiles Pulumi's protocol, without a `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=../proto");
    let files = protox::compile(
        ["pulumi/provider.proto", "pulumi/resource.proto", "pulumi/engine.proto", "pulumi/errors.proto"],
        ["../proto"],
    )?;
    tonic_prost_build::configure().generate_default_stubs(true).compile_fds(files)?;
    Ok(())
}
