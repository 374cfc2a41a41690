//! Whole tasks with agents that do nothing, next to what cannot be left out.
//!
//! - R2: `run-agent job` with an agent of two milliseconds
//! - R3: fifty of them at once
//! - R4: five hundred attempts over eight slots
//! - R5: from the end of an agent to the start of the next one
//! - K1: the stop of a run with two hundred stubborn descendants
//!
//! Where there is a file system in memory, the rows are measured there, too: what then is
//! left is ours, and not the disk's.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cl_testkit::bench_process;
use cl_testkit::bench_rows::{Goal, Plan, Row, Samples, millis};
use cl_testkit::survivors::Survivors;

/// Syncs of one `job` from launch to end, as the system call tracer counts them.
const JOB_SYNCS: u32 = 25;
/// How long the stub agent works.
const STUB: &str = "sleep 0.002; echo x";
/// How many tasks share the slots in R4, each with a part of the attempts.
const LOOPS: u32 = 16;

fn main() -> io::Result<()> {
    let mut plan = Plan::from_args(std::env::args());
    for (name, parent) in places() {
        let folder = tempfile::tempdir_in(&parent)?;
        let place = Place::new(folder.path(), name)?;
        if plan.wants("R2") {
            job(&mut plan, &place)?;
        }
        if plan.wants("R3") {
            jobs_at_once(&mut plan, &place);
        }
        if plan.wants("R4") {
            attempts(&mut plan, &place);
        }
        if plan.wants("R5") {
            restarts(&mut plan, &place)?;
        }
        if plan.wants("K1") && name == "disk" {
            stop(&mut plan, &place);
        }
    }
    plan.finish()
}

/// Returns where to measure: on the disk, and in memory where that is to be had.
fn places() -> Vec<(&'static str, PathBuf)> {
    let disk = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let memory = PathBuf::from("/dev/shm");
    let mut places = vec![("disk", disk)];
    if tempfile::tempdir_in(&memory).is_ok() {
        places.push(("memory", memory));
    }
    places
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_run-agent"))
}

/// A root, a home and a configuration with the agents of all rows.
struct Place {
    name: &'static str,
    folder: PathBuf,
}

impl Place {
    fn new(folder: &Path, name: &'static str) -> io::Result<Self> {
        for part in ["home", "work"] {
            fs::create_dir(folder.join(part))?;
        }
        let at = folder.display();
        let clock = format!(
            "echo \"$EPOCHREALTIME\" >>{at}/moments\necho x\n\
             echo \"$EPOCHREALTIME\" >>{at}/moments\n"
        );
        fs::write(folder.join("clock.sh"), clock)?;
        fs::write(folder.join("tree.sh"), tree(folder))?;
        let agent = |name: &str, command: &str| {
            format!("  {name}: {{type: command, command: [{command}], version_args: []}}\n")
        };
        let config = [
            "agents:\n".to_owned(),
            agent("stub", &format!("/bin/sh, -c, \"{STUB}\"")),
            agent("nothing", "/bin/echo, x"),
            agent("clock", &format!("/bin/bash, {at}/clock.sh")),
            agent("tree", &format!("/bin/bash, {at}/tree.sh")),
            "defaults: {max_concurrent_runs: 8}\n".to_owned(),
        ];
        fs::write(folder.join("conductor.yaml"), config.concat())?;
        let folder = folder.to_owned();
        Ok(Self { name, folder })
    }

    fn command(&self, args: &[&str]) -> Command {
        let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
        let mut command = bench_process::command(program(), &args);
        command
            .env("HOME", self.folder.join("home"))
            .env("CONDUCTOR_ROOT", self.folder.join("root"))
            .env("CONDUCTOR_CONFIG", self.folder.join("conductor.yaml"))
            .current_dir(self.folder.join("work"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn job(&self) -> Command {
        self.command(&[
            "job",
            "--project",
            "bench",
            "--prompt",
            "x",
            "--agent",
            "stub",
        ])
    }

    fn what(&self, text: &str) -> String {
        format!(
            "{text}; root {}",
            match self.name {
                "disk" => "on the disk",
                _ => "in memory",
            }
        )
    }
}

/// Returns an agent that starts 200 processes that do not want to end.
fn tree(folder: &Path) -> String {
    let at = folder.display();
    format!(
        "exec 9>{at}/pipe\ntrap : TERM\n\
         hardy='trap : TERM HUP; while :; do sleep 5; done'\n\
         for i in $(seq 25); do\n\
         setsid /bin/sh -c \"$hardy\" &\n\
         setsid /bin/sh -c \"/bin/sh -c '$hardy' & exit\" &\n\
         env -i /bin/sh -c \"$hardy\" &\n\
         nohup /bin/sh -c \"$hardy\" >/dev/null 2>&1 &\n\
         done\n\
         sleep 0.5\ntouch {at}/grown\nwhile :; do sleep 5; done\n"
    )
}

fn wait(child: &mut Child) -> bool {
    child.wait().expect("a child").success()
}

fn job(plan: &mut Plan, place: &Place) -> io::Result<()> {
    let raw = place.folder.join("raw");
    fs::create_dir(&raw)?;
    let mut ours = || {
        millis(|| {
            let ended = wait(&mut place.job().spawn().expect("a job"));
            assert!(ended, "the job ends well");
        })
    };
    let mut stub = || {
        let run = bench_process::run(Path::new("/bin/sh"), &[OsStr::new("-c"), OsStr::new(STUB)]);
        run.expect("the stub").millis
    };
    let mut syncs = || millis(|| raw_syncs(&raw, JOB_SYNCS).expect("the disk takes it"));
    let rounds = plan.amount(25, 1);
    let [ours, stub, syncs] = plan.take_turns_for(rounds, [&mut ours, &mut stub, &mut syncs]);
    let own = Samples::one(ours.median() - stub.median());
    let floor = syncs.median();
    plan.push(
        Row::new(
            "R2",
            &place.what("job with an agent of 2 ms, its own overhead"),
            "ms",
            &own,
        )
        .floor(&Samples::one(floor))
        .goal(Goal::AtMost(10.0 + floor))
        .reference("16 ms")
        .note(format!(
            "floor: {JOB_SYNCS} raw syncs; goal: that and 10 ms"
        )),
    );
    Ok(())
}

/// Does what a number of durable changes cannot do without.
fn raw_syncs(folder: &Path, count: u32) -> io::Result<()> {
    let path = folder.join("file");
    let file = fs::File::options().create(true).append(true).open(path)?;
    for _ in 0..count {
        io::Write::write_all(&mut &file, b"0123456789abcdef")?;
        cl_testkit::bench_floor::sync(&file)?;
    }
    Ok(())
}

fn jobs_at_once(plan: &mut Plan, place: &Place) {
    let count = plan.amount(50, 2);
    let mut ours = || {
        millis(|| {
            let mut jobs: Vec<Child> = (0..count)
                .map(|_| place.job().spawn().expect("a job"))
                .collect();
            assert!(jobs.iter_mut().all(wait), "all jobs end well");
        })
    };
    let mut nothing = || {
        millis(|| {
            let mut started: Vec<Child> = (0..2 * count)
                .map(|_| place.command(&["version"]).spawn().expect("a command"))
                .collect();
            assert!(started.iter_mut().all(wait));
        })
    };
    let [ours, floor] = plan.take_turns_for(plan.amount(5, 1), [&mut ours, &mut nothing]);
    plan.push(
        Row::new(
            "R3",
            &place.what(&format!("{count} jobs at once, 8 slots")),
            "ms",
            &ours,
        )
        .floor(&floor)
        .goal(Goal::AtMost(200.0))
        .reference("341 ms")
        .note("floor: two commands for each job that do nothing"),
    );
}

fn attempts(plan: &mut Plan, place: &Place) {
    let all = plan.amount(500, LOOPS);
    let each = (all / LOOPS).max(1);
    let made = each * LOOPS;
    let took = millis(|| {
        let mut loops: Vec<Child> = (0..LOOPS)
            .map(|_| {
                let most = each.to_string();
                let args = [
                    "task",
                    "--project",
                    "bench",
                    "--prompt",
                    "x",
                    "--agent",
                    "nothing",
                    "--restart-delay",
                    "0",
                    "--max-attempts",
                    &most,
                ];
                place.command(&args).spawn().expect("a task")
            })
            .collect();
        // Without DONE the last attempt ends in failure.
        assert!(!loops.iter_mut().any(wait), "no task is done");
    });
    let rate = f64::from(made) / took * 1e3;
    let row = Row::new(
        "R4",
        &place.what(&format!(
            "{made} attempts that do nothing, 8 slots, {LOOPS} tasks"
        )),
        "1/s",
        &Samples::one(rate),
    );
    let row = match place.name {
        "disk" => row,
        _ => row.goal(Goal::AtLeast(300.0)),
    };
    plan.push(row.reference("another queue: 17/s"));
}

fn restarts(plan: &mut Plan, place: &Place) -> io::Result<()> {
    let count = plan.amount(60, 3);
    let moments = place.folder.join("moments");
    fs::write(&moments, "0.0\n0.0\n")?;
    let most = count.to_string();
    let args = [
        "task",
        "--project",
        "bench",
        "--prompt",
        "x",
        "--agent",
        "clock",
        "--restart-delay",
        "0",
        "--max-attempts",
        &most,
    ];
    wait(&mut place.command(&args).spawn()?);
    let ours = gaps(&fs::read_to_string(&moments)?);
    fs::write(&moments, "0.0\n0.0\n")?;
    for _ in 0..count {
        let script = place.folder.join("clock.sh");
        bench_process::run(Path::new("/bin/bash"), &[script.as_os_str()])?;
    }
    let floor = gaps(&fs::read_to_string(&moments)?);
    let goal = 5.0 + floor.median();
    plan.push(
        Row::new(
            "R5",
            &place.what("from the end of an agent to the start of the next"),
            "ms",
            &ours,
        )
        .floor(&floor)
        .goal(Goal::AtMost(goal))
        .reference("≤ 1 s")
        .note("floor: the same agent started in a bare loop; goal: that and 5 ms"),
    );
    Ok(())
}

/// Returns the times between an end and the next start, in milliseconds.
fn gaps(moments: &str) -> Samples {
    let moments: Vec<f64> = moments
        .lines()
        .skip(2)
        .filter_map(|line| line.parse().ok())
        .collect();
    let ends = moments.iter().skip(1).step_by(2);
    let starts = moments.iter().skip(2).step_by(2);
    Samples::new(
        ends.zip(starts)
            .map(|(end, start)| (start - end) * 1e3)
            .collect(),
    )
}

fn stop(plan: &mut Plan, place: &Place) {
    const GRACE: Duration = Duration::from_secs(1);
    let pipe = Survivors::new(&place.folder.join("pipe"));
    let mut figures = Vec::new();
    let task = "task-20260101-000000-kill";
    for _ in 0..plan.amount(5, 1) {
        let args = [
            "task",
            "--project",
            "bench",
            "--task",
            task,
            "--prompt",
            "x",
            "--agent",
            "tree",
            "--detach",
            "--restart-delay",
            "0",
        ];
        assert!(wait(&mut place.command(&args).spawn().expect("a task")));
        cl_testkit::patience::until("the tree", || place.folder.join("grown").exists());
        fs::remove_file(place.folder.join("grown")).expect("the file that was just there");
        let started = Instant::now();
        let args = [
            "stop",
            "--project",
            "bench",
            "--task",
            task,
            "--grace",
            "1s",
        ];
        assert!(wait(&mut place.command(&args).spawn().expect("a stop")));
        let took = started.elapsed();
        assert!(!pipe.exist(), "no process is left");
        figures.push(took.saturating_sub(GRACE).as_secs_f64() * 1e3);
    }
    plan.push(
        Row::new(
            "K1",
            &place.what("stop of 200 descendants, beyond the grace; none survived"),
            "ms",
            &Samples::new(figures),
        )
        .goal(Goal::AtMost(1000.0)),
    );
}
