//! The scope resolver, row by row.

use std::path::{Path, PathBuf};

use cl_cli::scope::{
    FoundRun, Inputs, Origin, ProjectHome, Request, Scope, Surroundings, TaskRule, resolve,
};
use cl_cli::{CliError, Exit};
use cl_config::Environment;
use cl_storage::{ProjectId, Root};

const TASK: &str = "task-20260101-000000-one";
const OTHER_TASK: &str = "task-20260101-000000-two";
const RUN: &str = "20260101-0000000000-7-1";

/// What the machine looks like in a test; nothing is read from the real one.
#[derive(Debug, Default)]
struct Fake {
    run_info: Option<FoundRun>,
    holds_tasks: bool,
    homes: Vec<(&'static str, &'static str)>,
    configured: Option<&'static str>,
    config_is_broken: bool,
}

impl Surroundings for Fake {
    fn run_info_above(&self, _: &Path) -> Result<Option<FoundRun>, CliError> {
        Ok(self.run_info.clone())
    }

    fn holds_tasks(&self, _: &Path) -> bool {
        self.holds_tasks
    }

    fn project_folder(&self, from: &Path) -> PathBuf {
        from.to_owned()
    }

    fn project_homes(&self, _: &Root) -> Vec<ProjectHome> {
        let home = |(project, folder): &(&str, &str)| ProjectHome {
            project: ProjectId::parse(project).unwrap(),
            folder: folder.into(),
            described_in: Path::new("/described").join(project),
        };
        self.homes.iter().map(home).collect()
    }

    fn configured_root(&self) -> Result<Option<(PathBuf, Origin)>, CliError> {
        if self.config_is_broken {
            return Err(CliError::usage("broken config"));
        }
        let root = self.configured.map(PathBuf::from);
        Ok(root.map(|root| (root, Origin::Config("/c.yaml".into()))))
    }

    fn real_path(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }
}

/// One case: flags, variables, current folder and machine.
struct Case {
    request: Request,
    variables: Vec<(&'static str, String)>,
    current: &'static str,
    fake: Fake,
}

fn case() -> Case {
    Case {
        request: Request {
            infers_project: true,
            infers_task: true,
            infers_enclosing: true,
            ..Request::default()
        },
        variables: vec![("HOME", "/no-home".to_owned())],
        current: "/no-where",
        fake: Fake::default(),
    }
}

impl Case {
    fn var(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    fn request(mut self, change: impl FnOnce(&mut Request)) -> Self {
        change(&mut self.request);
        self
    }

    fn fake(mut self, change: impl FnOnce(&mut Fake)) -> Self {
        change(&mut self.fake);
        self
    }

    fn current(mut self, folder: &'static str) -> Self {
        self.current = folder;
        self
    }

    fn resolve(&self) -> Result<Scope, CliError> {
        let environment = Environment::new(self.variables.clone(), self.current);
        resolve(&Inputs {
            request: &self.request,
            environment: &environment,
            surroundings: &self.fake,
        })
    }

    /// Compares each part as `value (origin)`; an empty text is none.
    #[track_caller]
    fn check(&self, root: &str, project: &str, task: &str, parent_run: &str) {
        let scope = self.resolve().unwrap();
        let part = |part: Option<(String, &Origin)>| {
            part.map_or(String::new(), |(value, from)| format!("{value} ({from})"))
        };
        let found = [
            part(Some((
                scope.root().path().display().to_string(),
                &scope.root.from,
            ))),
            part(
                scope
                    .project
                    .as_ref()
                    .map(|p| (p.value.to_string(), &p.from)),
            ),
            part(scope.task.as_ref().map(|p| (p.value.to_string(), &p.from))),
            part(
                scope
                    .parent_run
                    .as_ref()
                    .map(|p| (p.value.to_string(), &p.from)),
            ),
        ];
        assert_eq!(found, [root, project, task, parent_run].map(str::to_owned));
    }

    #[track_caller]
    fn check_error(&self, part: &str) {
        let error = self.resolve().unwrap_err();
        assert!(error.chain().contains(part), "{}", error.chain());
        assert_eq!(error.exit(), Exit::Usage);
        assert!(error.advice().is_some());
    }
}

fn run_folder() -> String {
    format!("/root-1/p1/{TASK}/runs/{RUN}")
}

#[test]
fn nothing_known_is_the_default_root() {
    case().check("/no-home/.run-agent/runs (default)", "", "", "");
}

#[test]
fn flags_beat_everything() {
    case()
        .request(|r| {
            r.root = Some("/flagged".into());
            r.project = Some("p9".into());
            r.task = Some(OTHER_TASK.into());
            r.parent_run = Some("20260101-0000000000-9-9".into());
            r.infers_enclosing = false;
        })
        .var("JRUN_RUN_FOLDER", "nonsense, and never looked at")
        .var("CONDUCTOR_ROOT", "/never")
        .fake(|f| f.config_is_broken = true)
        .check(
            "/flagged (--root)",
            "p9 (--project)",
            &format!("{OTHER_TASK} (--task)"),
            "20260101-0000000000-9-9 (--parent-run-id)",
        );
}

#[test]
fn f1_the_run_folder_gives_everything() {
    case()
        .var("JRUN_RUN_FOLDER", run_folder())
        .var("JRUN_PROJECT_ID", "p2")
        .check(
            "/root-1 ($JRUN_RUN_FOLDER)",
            "p1 ($JRUN_RUN_FOLDER)",
            &format!("{TASK} ($JRUN_RUN_FOLDER)"),
            &format!("{RUN} ($JRUN_RUN_FOLDER)"),
        );
}

#[test]
fn f2_the_task_folder_gives_root_project_and_task_and_f3_the_run() {
    case()
        .var("JRUN_TASK_FOLDER", format!("/root-1/p1/{TASK}"))
        .var("JRUN_ID", RUN)
        .check(
            "/root-1 ($JRUN_TASK_FOLDER)",
            "p1 ($JRUN_TASK_FOLDER)",
            &format!("{TASK} ($JRUN_TASK_FOLDER)"),
            &format!("{RUN} ($JRUN_ID)"),
        );
}

#[test]
fn f3_bare_ids_give_no_root() {
    case()
        .var("JRUN_PROJECT_ID", "p1")
        .var("JRUN_TASK_ID", TASK)
        .var("JRUN_ID", RUN)
        .check(
            "/no-home/.run-agent/runs (default)",
            "p1 ($JRUN_PROJECT_ID)",
            &format!("{TASK} ($JRUN_TASK_ID)"),
            &format!("{RUN} ($JRUN_ID)"),
        );
}

fn found_run(folder: &str) -> FoundRun {
    FoundRun {
        path: Path::new(folder).join("run-info.yaml"),
        project: Some("p1".into()),
        task: Some(TASK.into()),
        run: Some(RUN.into()),
    }
}

#[test]
fn f4_a_run_record_gives_a_root_only_where_runs_lie() {
    let record = format!("{}/run-info.yaml", run_folder());
    case()
        .fake(|f| f.run_info = Some(found_run(&run_folder())))
        .check(
            &format!("/root-1 ({record})"),
            &format!("p1 ({record})"),
            &format!("{TASK} ({record})"),
            &format!("{RUN} ({record})"),
        );
    case()
        .fake(|f| f.run_info = Some(found_run("/loose/folder")))
        .check(
            "/no-home/.run-agent/runs (default)",
            "p1 (/loose/folder/run-info.yaml)",
            &format!("{TASK} (/loose/folder/run-info.yaml)"),
            &format!("{RUN} (/loose/folder/run-info.yaml)"),
        );
}

#[test]
fn f4_a_damaged_record_leaves_its_place_to_tell() {
    let record = format!("{}/run-info.yaml", run_folder());
    case()
        .fake(|f| {
            f.run_info = Some(FoundRun {
                path: record.clone().into(),
                ..FoundRun::default()
            });
        })
        .check(
            &format!("/root-1 ({record})"),
            &format!("p1 ({record})"),
            &format!("{TASK} ({record})"),
            &format!("{RUN} ({record})"),
        );
}

#[test]
fn f5_a_folder_below_the_root_or_one_that_holds_tasks() {
    let base = case().request(|r| r.root = Some("/root-1".into()));
    base.current("/root-1/p1/task-20260101-000000-one/runs")
        .check(
            "/root-1 (--root)",
            "p1 (current folder /root-1/p1/task-20260101-000000-one/runs)",
            &format!("{TASK} (current folder /root-1/p1/task-20260101-000000-one/runs)"),
            "",
        );
    case()
        .current("/work/p5")
        .fake(|f| f.holds_tasks = true)
        .check(
            "/no-home/.run-agent/runs (default)",
            "p5 (current folder /work/p5)",
            "",
            "",
        );
    case()
        .current("/work/Not_An_Id")
        .fake(|f| f.holds_tasks = true)
        .check_error("from current folder /work/Not_An_Id");
    let reserved = case().request(|r| r.root = Some("/root-1".into()));
    reserved
        .current("/root-1/.conductor/slots")
        .check("/root-1 (--root)", "", "", "");
}

#[test]
fn f6_home_folders_name_the_project_of_a_folder() {
    case()
        .current("/src/app")
        .fake(|f| f.homes = vec![("p8", "/src/other"), ("p6", "/src/app"), ("p7", "/src/app")])
        .check(
            "/no-home/.run-agent/runs (default)",
            "p6 (/described/p6)",
            "",
            "",
        );
}

#[test]
fn the_root_has_its_own_order() {
    let with_all = || {
        case()
            .var("CONDUCTOR_ROOT", "/from-variable")
            .fake(|f| f.configured = Some("/from-config"))
    };
    with_all().check("/from-variable ($CONDUCTOR_ROOT)", "", "", "");
    case().fake(|f| f.configured = Some("/from-config")).check(
        "/from-config (storage.runs_dir in /c.yaml)",
        "",
        "",
        "",
    );
    let scope = with_all()
        .var("JRUN_RUN_FOLDER", run_folder())
        .resolve()
        .unwrap();
    assert_eq!(scope.root.from, Origin::Variable("JRUN_RUN_FOLDER"));
    let scope = with_all()
        .fake(|f| f.run_info = Some(found_run(&run_folder())))
        .resolve()
        .unwrap();
    assert_eq!(scope.root().path(), Path::new("/root-1"));
}

#[test]
fn the_runs_folder_of_a_task_is_never_a_root() {
    case()
        .var("JRUN_RUNS_DIR", "/never")
        .check("/no-home/.run-agent/runs (default)", "", "", "");
}

#[test]
fn relative_roots_start_at_the_current_folder() {
    case()
        .request(|r| r.root = Some("runs".into()))
        .current("/work")
        .check("/work/runs (--root)", "", "", "");
}

#[test]
fn a_broken_config_matters_only_when_it_is_needed() {
    case()
        .fake(|f| f.config_is_broken = true)
        .resolve()
        .unwrap_err();
    case()
        .fake(|f| f.config_is_broken = true)
        .var("CONDUCTOR_ROOT", "/known")
        .check("/known ($CONDUCTOR_ROOT)", "", "", "");
}

#[test]
fn no_home_and_nothing_named_is_an_error() {
    let mut no_home = case();
    no_home.variables.clear();
    no_home.check_error("no home folder");
}

#[test]
fn another_root_takes_nothing_from_the_enclosing_run() {
    let other = case()
        .request(|r| r.root = Some("/elsewhere".into()))
        .var("JRUN_RUN_FOLDER", run_folder())
        .var("JRUN_PROJECT_ID", "p1")
        .var("JRUN_ID", RUN);
    other.check("/elsewhere (--root)", "", "", "");
    let scope = other.resolve().unwrap();
    assert_eq!(scope.foreign_root.as_deref(), Some(Path::new("/root-1")));
    assert_eq!(scope.enclosing, None);
}

#[test]
fn the_same_root_by_flag_keeps_the_enclosing_run() {
    let same = case()
        .request(|r| r.root = Some("/root-1".into()))
        .var("JRUN_RUN_FOLDER", run_folder());
    let scope = same.resolve().unwrap();
    assert_eq!(scope.enclosing.unwrap().value.run.as_str(), RUN);
}

#[test]
fn a_task_is_only_taken_from_a_source_of_the_same_project() {
    case()
        .request(|r| r.project = Some("p9".into()))
        .var("JRUN_RUN_FOLDER", run_folder())
        .check(
            "/root-1 ($JRUN_RUN_FOLDER)",
            "p9 (--project)",
            "",
            &format!("{RUN} ($JRUN_RUN_FOLDER)"),
        );
}

#[test]
fn a_new_task_is_not_the_one_around_it() {
    let new = case()
        .request(|r| {
            r.infers_task = false;
            r.task_rule = TaskRule::New;
        })
        .var("JRUN_RUN_FOLDER", run_folder());
    let scope = new.resolve().unwrap();
    assert_eq!(scope.task, None);
    assert_eq!(scope.enclosing.unwrap().value.task.as_str(), TASK);
}

#[test]
fn no_infer_leaves_flags_and_roots() {
    case()
        .request(|r| r.no_infer = true)
        .var("JRUN_RUN_FOLDER", "nonsense")
        .var("JRUN_PROJECT_ID", "p1")
        .current("/src/app")
        .fake(|f| {
            f.homes = vec![("p6", "/src/app")];
            f.holds_tasks = true;
        })
        .check("/no-home/.run-agent/runs (default)", "", "", "");
}

#[test]
fn no_infer_keeps_what_is_configured() {
    case()
        .request(|r| r.no_infer = true)
        .var("CONDUCTOR_ROOT", "/from-variable")
        .check("/from-variable ($CONDUCTOR_ROOT)", "", "", "");
}

#[test]
fn an_invalid_id_names_its_source() {
    for (name, value, part) in [
        (
            "JRUN_RUN_FOLDER",
            "/r/p/t/runs/not-a-run",
            "from $JRUN_RUN_FOLDER",
        ),
        (
            "JRUN_RUN_FOLDER",
            "/r/P_P/t/runs/20260101-0000000000-7-1",
            "from $JRUN_RUN_FOLDER",
        ),
        (
            "JRUN_RUN_FOLDER",
            "/r/p/t/elsewhere/20260101-000000-7-1",
            "JRUN_RUN_FOLDER is",
        ),
        (
            "JRUN_RUN_FOLDER",
            "r/p/t/runs/20260101-000000-7-1",
            "JRUN_RUN_FOLDER is",
        ),
        (
            "JRUN_RUN_FOLDER",
            "/r/../p/t/runs/20260101-000000-7-1",
            "JRUN_RUN_FOLDER is",
        ),
        ("JRUN_TASK_FOLDER", "/r/p/_audit", "from $JRUN_TASK_FOLDER"),
        ("JRUN_TASK_FOLDER", "/p", "JRUN_TASK_FOLDER is"),
        ("JRUN_PROJECT_ID", "../../x", "from $JRUN_PROJECT_ID"),
        ("JRUN_TASK_ID", "a/b", "from $JRUN_TASK_ID"),
        ("JRUN_ID", "x", "from $JRUN_ID"),
    ] {
        case().var(name, value).check_error(part);
    }
    case()
        .fake(|f| {
            f.run_info = Some(FoundRun {
                project: Some("../../x".into()),
                ..found_run(&run_folder())
            });
        })
        .check_error("run-info.yaml)");
}

#[test]
fn flags_are_checked_like_everything_else() {
    for (project, part) in [
        ("../../x", "from --project"),
        ("_audit", "from --project"),
        (".conductor", "from --project"),
        ("UPPER", "from --project"),
        ("", "project ID is empty"),
    ] {
        case()
            .request(|r| r.project = Some(project.into()))
            .check_error(part);
    }
    for task in ["../x", "a/b", ".git", "", "a b"] {
        case()
            .request(|r| r.task = Some(task.into()))
            .check_error("from --task");
    }
    case()
        .request(|r| r.run = Some("..".into()))
        .check_error("from --run");
    case()
        .request(|r| {
            r.task = Some("loose-name".into());
            r.task_rule = TaskRule::New;
        })
        .check_error("must match task-");
    let loose = case().request(|r| r.task = Some("loose-name".into()));
    assert!(
        loose.resolve().is_ok(),
        "an old task folder may have any name"
    );
}

#[test]
fn a_root_that_is_a_file_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_owned();
    case()
        .request(|r| r.root = Some(path))
        .check_error("is not a folder");
}
