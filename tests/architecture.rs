//! Rules of docs/architecture.md that the compiler cannot keep.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The source files of a folder, as paths from the root of the project, and what is in each but for its tests.
fn sources(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join(folder)];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "{folder} has no source files");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a text");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
        (path.strip_prefix(root).expect("a path below the root").display().to_string(), code)
    };
    files.into_iter().map(read).collect()
}

fn all_sources() -> Vec<(String, String)> {
    [sources("src"), sources("framework/src")].concat()
}

/// The files of which a line of code, and not of a comment, fits.
fn with_line(files: &[(String, String)], fits: impl Fn(&str) -> bool) -> Vec<String> {
    let has = |code: &str| code.lines().map(str::trim).any(|it| !it.starts_with("//") && fits(it));
    files.iter().filter(|(_, code)| has(code)).map(|(path, _)| path.clone()).collect()
}

#[test]
fn no_resource_imports_another() {
    for (path, code) in sources("src/resources").into_iter().filter(|(path, _)| !path.ends_with("resources/mod.rs")) {
        // `crate::{…, resources::x, …}` as well as `crate::resources::x`; and the way over a parent.
        let parents = if path.matches('/').count() > 2 { "super::super::" } else { "super::" };
        for (number, line) in code.lines().enumerate().filter(|(_, it)| !it.trim().starts_with("//")) {
            assert!(!line.contains("resources::"), "{path}:{} names another resource; see facts.rs and aws/", number + 1);
            assert!(!line.starts_with(&format!("use {parents}")), "{path}:{} imports from another resource", number + 1);
        }
    }
}

#[test]
fn only_these_sleep() {
    // Waits for the cloud are in `wait.rs`. The others: reads that gather, and the end of the engine.
    let expected = ["src/aws/batch.rs", "framework/src/process.rs", "framework/src/server.rs", "framework/src/wait.rs"];
    assert_eq!(with_line(&all_sources(), |it| it.contains("sleep(")), expected);
}

#[test]
fn the_sdk_stays_where_it_belongs() {
    let homes = ["src/aws/", "src/resources/", "src/functions/"];
    let users =
        with_line(&all_sources(), |it| it.contains("aws_sdk_") || it.contains("aws_smithy_") || it.contains("aws_config::"));
    assert!(!users.is_empty(), "the test finds nothing");
    for path in users {
        assert!(homes.iter().any(|it| path.starts_with(it)), "{path} uses the SDK of AWS");
    }
}

#[test]
fn the_framework_knows_no_cloud() {
    let names_a_cloud = |it: &str| ["aws", "fargate", "arn:"].iter().any(|word| it.to_lowercase().contains(word));
    assert_eq!(with_line(&sources("framework/src"), names_a_cloud), Vec::<String>::new());
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("framework/Cargo.toml")).expect("a manifest");
    assert!(!manifest.lines().any(names_a_cloud), "framework/Cargo.toml names a cloud");
}

/// `cargo fmt` follows `mod` lines, but does not look into macros.
#[test]
fn every_file_is_seen_by_cargo_fmt() {
    let files = all_sources();
    for (path, _) in &files {
        let module = path.trim_end_matches(".rs").trim_end_matches("/mod");
        let (folder, name) = module.rsplit_once('/').expect("a folder");
        if ["lib", "main"].contains(&name) {
            continue;
        }
        let parents = [format!("{folder}.rs"), format!("{folder}/mod.rs"), format!("{folder}/lib.rs")];
        let line = format!("mod {name};");
        let declares =
            |code: &str| code.lines().any(|it| it.trim_start_matches("pub ").trim_start_matches("pub(crate) ") == line);
        let is_declared = files.iter().any(|(path, code)| parents.contains(path) && declares(code));
        assert!(is_declared, "no `{line}` in the module above {path}");
    }
}
