//! How a lock is waited for, whatever call of the system takes it.

use std::io;
use std::time::{Duration, Instant};

const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);
/// How often the processor is offered to others before the first pause; a short
/// operation on another core is over within a few of them.
const YIELDS: u32 = 8;

/// The time, and waiting for it to pass.
pub(super) trait Time {
    fn now(&self) -> Instant;

    /// Lets others work for so long; zero only offers them the processor.
    fn pause(&self, length: Duration);
}

/// One lock of one open file, in the one mode that its user needs.
pub(super) trait Backend: Time {
    /// Tries once to take the lock; false if a holder stands in the way.
    ///
    /// True also if this very file holds it already. Anything else that the system
    /// says is an error.
    fn try_lock(&self) -> io::Result<bool>;

    /// Gives the lock back.
    fn unlock(&self);

    /// Stands in the system's queue for the lock, for `left` at the most.
    fn queue(&self, left: Duration) -> io::Result<Turn>;
}

/// What standing in the queue came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    all(windows, not(test)),
    expect(dead_code, reason = "locks of Windows have no queue that suits")
)]
pub(super) enum Turn {
    /// The lock is had.
    Had,
    /// The time was up first, and the place in the queue is still taken.
    Late,
    /// There is no queue to stand in.
    NoQueue,
}

/// Why a lock was not had.
#[derive(Debug)]
pub(super) enum Failure {
    Timeout { waited: Duration },
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A lock that is given back at the end of its scope, however that is left.
#[derive(Debug)]
pub(super) struct Guard<'a, B: Backend>(&'a B);

impl<B: Backend> Drop for Guard<'_, B> {
    fn drop(&mut self) {
        self.0.unlock();
    }
}

/// Takes the lock within `wait`: a few tries, one pause, then the queue.
///
/// `is_spent` is set if a place in the queue is left behind; then the file is of no
/// more use and is to be dropped.
pub(super) fn acquire<'a, B: Backend>(
    backend: &'a B,
    wait: Duration,
    is_spent: &mut bool,
) -> Result<Guard<'a, B>, Failure> {
    let deadline = Deadline::new(backend, wait);
    if *is_spent {
        return Err(deadline.missed(backend));
    }
    let mut tries = 0;
    while !backend.try_lock()? {
        let left = deadline.left(backend)?;
        tries += 1;
        match tries {
            1..YIELDS => backend.pause(Duration::ZERO),
            YIELDS => backend.pause(FIRST_PAUSE.min(left)),
            _ => match backend.queue(left)? {
                Turn::Had => {}
                // No further try: had now, the lock would be given back before the place
                // in the queue comes to its turn, and would then be held for nobody.
                Turn::Late => {
                    *is_spent = true;
                    return Err(deadline.missed(backend));
                }
                Turn::NoQueue => backend.pause(LONGEST_PAUSE.min(left)),
            },
        }
    }
    Ok(Guard(backend))
}

/// Repeats `attempt` until it brings something or `wait` is over; with a `wait` of
/// zero, once. The pauses double.
pub(super) fn poll<T>(
    time: &impl Time,
    wait: Duration,
    mut attempt: impl FnMut() -> io::Result<Option<T>>,
) -> Result<T, Failure> {
    let deadline = Deadline::new(time, wait);
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(found) = attempt()? {
            return Ok(found);
        }
        time.pause(pause.min(deadline.left(time)?));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

struct Deadline {
    started: Instant,
    wait: Duration,
}

impl Deadline {
    fn new(time: &impl Time, wait: Duration) -> Self {
        let started = time.now();
        Self { started, wait }
    }

    /// Returns how much is left, and an error if nothing is.
    fn left(&self, time: &impl Time) -> Result<Duration, Failure> {
        let passed = time.now().duration_since(self.started);
        let left = self.wait.checked_sub(passed);
        left.filter(|left| !left.is_zero())
            .ok_or_else(|| self.missed(time))
    }

    fn missed(&self, time: &impl Time) -> Failure {
        let waited = time.now().duration_since(self.started);
        Failure::Timeout { waited }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    use super::*;

    /// Who holds a lock that no system knows, and a clock that moves when somebody waits.
    #[derive(Debug)]
    struct Held {
        writers: Cell<u32>,
        readers: Cell<u32>,
        start: Instant,
        passed: Cell<Duration>,
        /// When somebody else gives up what he holds.
        released_at: Cell<Option<Duration>>,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Mode {
        Reader,
        Writer,
    }

    /// One user of it.
    #[derive(Debug)]
    struct Fake {
        held: Rc<Held>,
        mode: Mode,
        has_queue: bool,
        has_lock: Cell<bool>,
        fails: Cell<bool>,
        log: RefCell<Vec<&'static str>>,
    }

    fn nobody() -> Rc<Held> {
        Rc::new(Held {
            writers: Cell::new(0),
            readers: Cell::new(0),
            start: Instant::now(),
            passed: Cell::default(),
            released_at: Cell::default(),
        })
    }

    /// Held by a writer for so many milliseconds.
    fn held_for(ms: u64) -> Rc<Held> {
        let held = nobody();
        held.writers.set(1);
        held.released_at.set(Some(Duration::from_millis(ms)));
        held
    }

    impl Held {
        fn pass(&self, length: Duration) {
            self.passed.set(self.passed.get() + length);
            if self
                .released_at
                .get()
                .is_some_and(|at| at <= self.passed.get())
            {
                self.writers.set(0);
                self.released_at.set(None);
            }
        }
    }

    impl Fake {
        fn new(held: &Rc<Held>, mode: Mode, has_queue: bool) -> Self {
            Self {
                held: Rc::clone(held),
                mode,
                has_queue,
                has_lock: Cell::default(),
                fails: Cell::default(),
                log: RefCell::default(),
            }
        }

        fn count(&self, what: &str) -> usize {
            self.log.borrow().iter().filter(|it| **it == what).count()
        }

        fn acquire(&self, ms: u64, is_spent: &mut bool) -> Result<Guard<'_, Self>, Failure> {
            acquire(self, Duration::from_millis(ms), is_spent)
        }
    }

    impl Time for Fake {
        fn now(&self) -> Instant {
            self.held.start + self.held.passed.get()
        }

        fn pause(&self, length: Duration) {
            self.log.borrow_mut().push("pause");
            self.held.pass(length);
        }
    }

    impl Backend for Fake {
        fn try_lock(&self) -> io::Result<bool> {
            self.log.borrow_mut().push("try");
            if self.fails.get() {
                return Err(io::Error::from(io::ErrorKind::Unsupported));
            }
            let (held, is_mine) = (&self.held, self.has_lock.get());
            let is_free = match self.mode {
                Mode::Reader => held.writers.get() == 0,
                Mode::Writer => held.writers.get() + held.readers.get() == 0,
            };
            if is_free && !is_mine {
                let count = match self.mode {
                    Mode::Reader => &held.readers,
                    Mode::Writer => &held.writers,
                };
                count.set(count.get() + 1);
                self.has_lock.set(true);
            }
            Ok(is_free || is_mine)
        }

        fn unlock(&self) {
            assert!(self.has_lock.replace(false), "given back once");
            let count = match self.mode {
                Mode::Reader => &self.held.readers,
                Mode::Writer => &self.held.writers,
            };
            count.set(count.get() - 1);
        }

        fn queue(&self, left: Duration) -> io::Result<Turn> {
            self.log.borrow_mut().push("queue");
            if !self.has_queue {
                return Ok(Turn::NoQueue);
            }
            let until = self.held.released_at.get();
            let until = until.map(|at| at.saturating_sub(self.held.passed.get()));
            if let Some(until) = until.filter(|until| *until < left) {
                self.held.pass(until);
                self.try_lock().map(|_| Turn::Had)
            } else {
                self.held.pass(left);
                Ok(Turn::Late)
            }
        }
    }

    const EVERYONE: [(Mode, bool); 4] = [
        (Mode::Reader, false),
        (Mode::Reader, true),
        (Mode::Writer, false),
        (Mode::Writer, true),
    ];

    #[test]
    fn a_free_lock_is_had_at_the_first_try_and_given_back() {
        for (mode, has_queue) in EVERYONE {
            let fake = Fake::new(&nobody(), mode, has_queue);
            let guard = fake.acquire(0, &mut false).unwrap();
            assert!(fake.has_lock.get());
            drop(guard);
            assert!(!fake.has_lock.get());
            assert_eq!(*fake.log.borrow(), ["try"]);
        }
    }

    #[test]
    fn a_held_lock_is_tried_again_and_had_after_its_release() {
        for (mode, has_queue) in EVERYONE {
            let held = held_for(100);
            let fake = Fake::new(&held, mode, has_queue);
            let guard = fake.acquire(5000, &mut false).unwrap();
            assert!(fake.count("try") > 1 && fake.count("pause") > 0);
            assert!(held.passed.get() >= Duration::from_millis(100));
            drop(guard);
            assert_eq!(held.writers.get() + held.readers.get(), 0);
        }
    }

    #[test]
    fn readers_share_and_keep_writers_out() {
        let held = nobody();
        let [first, second] = [Mode::Reader; 2].map(|mode| Fake::new(&held, mode, false));
        let writer = Fake::new(&held, Mode::Writer, false);
        let _reads = first.acquire(0, &mut false).unwrap();
        let _reads_too = second.acquire(0, &mut false).unwrap();
        let late = writer.acquire(20, &mut false).unwrap_err();
        assert!(matches!(late, Failure::Timeout { .. }), "{late:?}");
    }

    #[test]
    fn a_lock_that_stays_held_ends_in_a_timeout_that_tells_how_long() {
        for (mode, has_queue) in EVERYONE {
            let held = held_for(60_000);
            let fake = Fake::new(&held, mode, has_queue);
            match fake.acquire(5000, &mut false).unwrap_err() {
                Failure::Timeout { waited } => assert_eq!(waited, Duration::from_secs(5)),
                Failure::Io(error) => panic!("{error}"),
            }
            assert!(!fake.has_lock.get());
            assert_eq!(held.writers.get(), 1, "the other's");
        }
    }

    #[test]
    fn no_wait_is_one_try() {
        let fake = Fake::new(&held_for(1), Mode::Writer, true);
        fake.acquire(0, &mut false).unwrap_err();
        assert_eq!(*fake.log.borrow(), ["try"]);
    }

    #[test]
    fn what_is_not_a_holder_is_an_error_at_once() {
        let fake = Fake::new(&nobody(), Mode::Writer, true);
        fake.fails.set(true);
        let error = fake.acquire(5000, &mut false).unwrap_err();
        assert!(matches!(error, Failure::Io(_)), "{error:?}");
        assert_eq!(*fake.log.borrow(), ["try"]);
    }

    #[test]
    fn a_panic_gives_the_lock_back() {
        let fake = Fake::new(&nobody(), Mode::Writer, true);
        let broken = std::panic::AssertUnwindSafe(|| {
            let _guard = fake.acquire(0, &mut false).unwrap();
            panic!("while it is held");
        });
        std::panic::catch_unwind(broken).unwrap_err();
        assert!(!fake.has_lock.get());
        assert_eq!(fake.held.writers.get(), 0);
    }

    #[test]
    fn whoever_left_a_place_in_the_queue_gets_no_second() {
        let held = held_for(60_000);
        let fake = Fake::new(&held, Mode::Writer, true);
        let mut is_spent = false;
        fake.acquire(10, &mut is_spent).unwrap_err();
        assert!(is_spent);
        fake.acquire(10, &mut is_spent).unwrap_err();
        assert_eq!(fake.count("queue"), 1);
        // Without a queue nothing is left behind.
        let fake = Fake::new(&held, Mode::Writer, false);
        let mut is_spent = false;
        fake.acquire(30, &mut is_spent).unwrap_err();
        assert!(!is_spent);
        assert!(fake.count("queue") > 1);
    }

    #[test]
    fn polling_goes_on_until_there_is_something_or_the_time_is_up() {
        let fake = Fake::new(&nobody(), Mode::Writer, false);
        let mut left = 20;
        let found = poll(&fake, Duration::from_mins(1), || {
            left -= 1;
            Ok((left == 0).then_some("it"))
        });
        assert_eq!(found.unwrap(), "it");
        assert_eq!(fake.count("pause"), 19);
        let nothing = poll(&fake, Duration::from_millis(30), || Ok(None::<()>));
        let Failure::Timeout { waited } = nothing.unwrap_err() else {
            panic!("nothing failed");
        };
        assert_eq!(waited, Duration::from_millis(30));
    }
}
