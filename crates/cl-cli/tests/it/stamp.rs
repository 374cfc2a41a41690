//! What a build calls itself.

#[path = "../../build/stamp.rs"]
mod build_stamp;

#[track_caller]
fn check(variables: &[(&str, &str)], commit: Option<&str>, expected: &str) {
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    assert_eq!(build_stamp::version("0.76.0", &variable, commit), expected);
}

#[test]
fn a_build_id_comes_first() {
    check(
        &[
            ("CONDUCTOR_BUILD_ID", "v0.76.9"),
            ("CL_BUILD_VERSION", "v0.76.8"),
        ],
        Some("abc"),
        "v0.76.9",
    );
}

#[test]
fn then_a_version_then_a_tag() {
    let tag = [("GITHUB_REF_NAME", "v0.76.7"), ("GITHUB_REF_TYPE", "tag")];
    check(&tag, Some("abc"), "v0.76.7");
    check(
        &[("CL_BUILD_VERSION", "v0.76.8"), tag[0], tag[1]],
        Some("abc"),
        "v0.76.8",
    );
}

#[test]
fn a_branch_is_no_version() {
    check(
        &[("GITHUB_REF_NAME", "main"), ("GITHUB_REF_TYPE", "branch")],
        Some("abc"),
        "0.76.0-SNAPSHOT-abc",
    );
    check(&[("GITHUB_REF_NAME", "main")], None, "0.76.0-SNAPSHOT");
}

#[test]
fn cargo_is_told_of_every_variable_that_counts() {
    let asked = std::cell::RefCell::new(Vec::new());
    let variable = |name: &str| {
        asked.borrow_mut().push(name.to_owned());
        None
    };
    build_stamp::version("1", &variable, None);
    for name in asked.into_inner() {
        assert!(build_stamp::VARIABLES.contains(&name.as_str()), "{name}");
    }
}

#[test]
fn blanks_are_nothing() {
    check(
        &[("CONDUCTOR_BUILD_ID", " "), ("CL_BUILD_VERSION", "a b")],
        Some("abc"),
        "0.76.0-SNAPSHOT-abc",
    );
    check(&[("CONDUCTOR_BUILD_ID", " v1\n")], None, "v1");
}

#[test]
fn only_files_that_exist_are_watched() {
    let folder = tempfile::tempdir().unwrap();
    let git = folder.path();
    assert!(build_stamp::watched(git).is_empty());
    std::fs::create_dir_all(git.join("refs/heads")).unwrap();
    std::fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    std::fs::write(git.join("refs/heads/main"), "abc\n").unwrap();
    assert_eq!(
        build_stamp::watched(git),
        [git.join("HEAD"), git.join("refs/heads/main")]
    );
}
