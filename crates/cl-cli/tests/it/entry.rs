//! Whole command lines inside this process: both binaries, standard output and error.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{self, Write};
use std::rc::Rc;

use cl_cli::{Binary, Console, Exit, entry};
use cl_config::Environment;

/// What was written to one of the streams.
#[derive(Clone, Default)]
struct Written(Rc<RefCell<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

/// A stream that takes nothing.
struct Refusing(io::ErrorKind);

impl Write for Refusing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Stands for the server in tests of everything else.
fn no_server(
    _serving: cl_config::Serving,
    _announce: &mut dyn FnMut(&cl_wire::Announcement),
) -> Result<(), cl_wire::Problem> {
    unreachable!("no test here serves")
}

fn run(binary: Binary, words: &[&str]) -> (Exit, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment::new([("HOME", folder.path())], folder.path());
    let (out, err) = (Written::default(), Written::default());
    let console = Console::to(out.clone(), err.clone());
    let args = [binary.name()].into_iter().chain(words.iter().copied());
    let exit = entry::run(
        binary,
        no_server,
        args.map(OsString::from),
        environment,
        console,
    );
    let made = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(made, 0, "{words:?} made files");
    (exit, out.text(), err.text())
}

#[test]
fn each_binary_says_its_own_name() {
    for (binary, name) in [
        (Binary::RunAgent, "run-agent"),
        (Binary::Conductor, "conductor"),
    ] {
        let (exit, out, _) = run(binary, &["version"]);
        assert_eq!(exit, Exit::Success);
        assert_eq!(out, format!("{name} {}\n", cl_cli::version::stamp()));
        assert_eq!(run(binary, &["-V"]).1, out);
    }
}

#[test]
fn without_a_command_there_is_help_and_a_usage_error() {
    let (exit, out, err) = run(Binary::RunAgent, &[]);
    assert_eq!((exit, out.as_str()), (Exit::Usage, ""));
    assert!(err.contains("Usage: run-agent"), "{err}");
}

#[test]
fn without_a_command_conductor_is_the_server() {
    let (exit, out, err) = run(Binary::Conductor, &["--port", "7", "--print-config"]);
    assert_eq!((exit, err.as_str()), (Exit::Success, ""));
    assert!(out.contains("api.port: 7  # --port\n"), "{out}");
    let (_, same, _) = run(
        Binary::RunAgent,
        &["serve", "--port", "7", "--print-config"],
    );
    let settings = |text: &str| text.lines().filter(|it| !it.starts_with("root:")).count();
    assert_eq!(settings(&out), settings(&same));
    let (exit, _, err) = run(Binary::Conductor, &["--port", "7", "list"]);
    assert_eq!(exit, Exit::Usage);
    assert!(err.contains("--port belongs to `conductor`"), "{err}");
}

#[test]
fn help_is_no_error() {
    for words in [
        &["--help"][..],
        &["help", "bus", "post"],
        &["task", "--help"],
    ] {
        let (exit, out, err) = run(Binary::RunAgent, words);
        assert_eq!((exit, err.as_str()), (Exit::Success, ""));
        assert!(out.contains("Usage: run-agent"), "{out}");
    }
}

#[test]
fn quiet_leaves_data_and_errors() {
    let (exit, out, err) = run(Binary::RunAgent, &["list", "-q"]);
    assert_eq!((exit, out.as_str(), err.as_str()), (Exit::Success, "", ""));
    let (exit, _, err) = run(Binary::RunAgent, &["list", "--project", "x", "-q"]);
    assert_eq!(exit, Exit::NotFound);
    assert!(err.starts_with("Error: "), "{err}");
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let environment = || Environment::new([("HOME", "/nowhere")], "/");
    let args = || ["run-agent", "version"].map(OsString::from);
    let err = Written::default();
    let console = Console::to(Refusing(io::ErrorKind::BrokenPipe), err.clone());
    let exit = entry::run(Binary::RunAgent, no_server, args(), environment(), console);
    assert_eq!((exit, err.text().as_str()), (Exit::Success, ""));

    let console = Console::to(Refusing(io::ErrorKind::StorageFull), err.clone());
    let exit = entry::run(Binary::RunAgent, no_server, args(), environment(), console);
    assert_eq!(exit, Exit::Failed);
    assert!(
        err.text().contains("could not write the output"),
        "{}",
        err.text()
    );
}
