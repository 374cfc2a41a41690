//! A scan for credentials, by the rules of `cargo xtask secrets`.

use super::{File, Finding};
use crate::secrets::{FAKE, scan};

/// Finds what looks like a live credential. The finding never repeats it.
pub(super) fn check(file: &File) -> Vec<Finding> {
    file.lines()
        .flat_map(|(number, line)| {
            let found = scan(line).into_iter();
            found.map(move |hit| (number, hit.rule))
        })
        .map(|(number, rule)| {
            let fake = FAKE.join(", ");
            file.finding(
                number,
                format!("looks like a {rule}; a made-up one says so with one of: {fake}"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file;

    #[test]
    fn finding_names_its_place_and_does_not_repeat_the_token() {
        let token = format!("sk-{}", "7QX4".repeat(10));
        let found = check(&file("a.txt", &format!("one\n{token}\n")));
        assert_eq!((found.len(), found[0].line), (1, 2));
        assert!(!found[0].to_string().contains(&token));
        assert!(check(&file("a.txt", "sk-ant-canary-0123456789abcdef")).is_empty());
    }
}
