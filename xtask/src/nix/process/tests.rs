//! Children that stream, stop, stall and do not listen.

use super::*;

fn sh(script: &str, listen: &mut dyn FnMut(&Event)) -> Exit {
    let interrupt = Interrupt::default();
    sh_with(script, &interrupt, listen)
}

fn sh_with(script: &str, interrupt: &Interrupt, listen: &mut dyn FnMut(&Event)) -> Exit {
    let args = ["-c".to_owned(), script.to_owned()];
    let env = BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]);
    let command = Command { program: "/bin/sh".into(), args: &args, dir: "/".into(), env: &env, input: &[] };
    run(&command, interrupt, listen).unwrap()
}

#[test]
fn log_and_result_are_kept_apart() {
    let mut events = Vec::new();
    let exit = sh("echo result; echo talk >&2; exit 3", &mut |it| events.push(it.clone()));
    assert_eq!((exit.stdout.as_str(), exit.code, exit.interrupted), ("result\n", Some(3), false));
    assert!(events.contains(&Event::Plain("talk".to_owned())), "{events:?}");
}

/// 90,000 events of one copy: only the last counts, and it arrives.
#[test]
fn a_flood_of_progress_is_thinned_out() {
    let script = r#"i=0; while [ $i -lt 90000 ]; do i=$((i+1));
        echo "@nix {\"action\":\"result\",\"fields\":[$i,90000,0,0],\"id\":7,\"type\":105}"; done >&2"#;
    let (mut seen, mut last) = (0, 0);
    sh(script, &mut |it| {
        if let Event::Progress { id: 7, progress } = it {
            seen += 1;
            last = progress.done;
        }
    });
    assert_eq!(last, 90_000);
    assert!(seen < 9000, "{seen} events were parsed");
}

#[test]
fn an_interrupt_ends_the_child() {
    let flag = Interrupt::default();
    let stop = flag.clone();
    let exit = sh_with("echo started >&2; exec sleep 60", &flag, &mut |it| {
        if matches!(it, Event::Plain(_)) {
            stop.now.store(Signal::SIGTERM as usize, Ordering::Relaxed);
        }
    });
    assert_eq!((exit.code, exit.interrupted), (None, true));
}

/// As if it were another user's.
#[test]
fn a_child_that_no_signal_reaches_is_stopped_by_the_end_of_its_stdin() {
    let flag = Interrupt::default();
    let stop = flag.clone();
    let script = "trap '' TERM; read -r job; echo $job >&2; cat; echo stopped; exit 4";
    let args = ["-c".to_owned(), script.to_owned()];
    let env = BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]);
    let command =
        Command { program: "/bin/sh".into(), args: &args, dir: "/".into(), env: &env, input: b"the job\n" };
    let mut told = Vec::new();
    let exit = run_held(&command, &flag, &mut |it| {
        if let Event::Plain(line) = it {
            told.push(line.clone());
            stop.now.store(Signal::SIGTERM as usize, Ordering::Relaxed);
        }
    })
    .unwrap();
    assert_eq!((exit.stdout.as_str(), exit.code, exit.interrupted), ("stopped\n", Some(4), true));
    assert_eq!(told, ["the job"]);
}

#[test]
fn who_does_not_answer_in_time_is_killed() {
    let env = BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]);
    let asked = |script: &str, patience: u64| {
        let args = ["-c".to_owned(), script.to_owned()];
        let command =
            Command { program: "/bin/sh".into(), args: &args, dir: "/".into(), env: &env, input: &[] };
        ask(&command, Duration::from_secs(patience))
    };
    let answer = asked("echo yes; echo but >&2; exit 4", 60).unwrap();
    assert_eq!(answer, Answer { stdout: "yes\n".into(), stderr: "but\n".into(), code: Some(4) });
    let since = Instant::now();
    let error = format!("{:#}", asked("exec sleep 300", 1).unwrap_err());
    assert_eq!(error, "`/bin/sh` did not answer within 1 s");
    assert!(since.elapsed() < Duration::from_mins(3), "it was waited for");
}

/// As long as it talks it may take its time.
#[test]
fn silence_ends_the_child() {
    let args = [
        "-c".to_owned(),
        "for i in 1 2 3 4 5 6 7 8; do echo $i >&2; sleep 0.6; done; exec sleep 300".to_owned(),
    ];
    let env = BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]);
    let command = Command { program: "/bin/sh".into(), args: &args, dir: "/".into(), env: &env, input: &[] };
    let mut last = String::new();
    // It talks for longer than it may be silent, and a busy machine may take its time between two words.
    let exit = run_within(&command, Some(Duration::from_secs(4)), &Interrupt::default(), &mut |it| {
        if let Event::Plain(line) = it {
            line.clone_into(&mut last);
        }
    });
    let exit = exit.unwrap();
    assert_eq!((last.as_str(), exit.code, exit.stalled, exit.success()), ("8", None, true, false));
}

#[test]
fn a_missing_program_is_named() {
    let env = BTreeMap::new();
    let command =
        Command { program: "/no/such/nix".into(), args: &[], dir: "/".into(), env: &env, input: &[] };
    let error = run(&command, &Interrupt::default(), &mut |_| ()).unwrap_err();
    assert!(format!("{error:#}").starts_with("cannot run `/no/such/nix`: "), "{error:#}");
}

/// Not as a file beside us.
#[test]
fn a_name_is_looked_for_on_path() {
    let args = ["-c".to_owned(), "exit 7".to_owned()];
    let env = BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]);
    let command = Command { program: "sh".into(), args: &args, dir: "/".into(), env: &env, input: &[] };
    let interrupt = Interrupt::default();
    assert_eq!(run(&command, &interrupt, &mut |_| ()).unwrap().code, Some(7));
    assert_eq!(ask(&command, PATIENCE).unwrap().code, Some(7));
}

/// As Nix does now and then.
#[test]
fn who_misses_a_signal_is_told_again() {
    let script =
        "trap 'test -n \"$again\" && exit 7; again=yes' INT; echo ready >&2; while :; do sleep 0.05; done";
    let args = ["-c".to_owned(), script.to_owned()];
    let env = BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]);
    let command = Command { program: "/bin/sh".into(), args: &args, dir: "/".into(), env: &env, input: &[] };
    let interrupt = Interrupt::default();
    let signal = Arc::clone(&interrupt.now);
    let exit = run(&command, &interrupt, &mut |it| {
        if matches!(it, Event::Plain(_)) {
            signal.store(Signal::SIGINT as usize, Ordering::Relaxed);
        }
    });
    let exit = exit.unwrap();
    assert_eq!((exit.code, exit.interrupted), (Some(7), true));
}
