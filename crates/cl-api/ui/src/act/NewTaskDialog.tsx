import { CircleCheck, Send } from "lucide-react";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { toast } from "sonner";
import { Problem } from "../api/client";
import { useProjects, useStatus } from "../api/queries";
import { live } from "../live/store";
import { Button } from "../parts/Button";
import { Copy } from "../parts/Copy";
import { Dialog } from "../parts/Dialog";
import { Loading } from "../parts/Empty";
import { Failure } from "../parts/Failure";
import { Time } from "../parts/Time";
import { go } from "../route/route";
import styles from "./Act.module.css";
import { DependsOn } from "./DependsOn";
import { DRAFT_NOTICE } from "./draft";
import { Field } from "./Field";
import { FolderInput } from "./FolderInput";
import { Gates } from "./Gates";
import { typedSlug, wholeSlug } from "./ids";
import { idSent } from "./submission";
import { type Answering, type FieldProblems, fieldOf, idOf, problemsOf } from "./taskForm";
import { type TaskDraft, useTaskDraft } from "./useTaskDraft";

export interface NewTaskDialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  project: string;
  /** The message that the task answers, and what its prompt begins with. */
  answering?: Answering | undefined;
  prompt?: string | undefined;
}

/** Asks what a new task is to be. What is typed survives reloads, crashes and failed submissions. */
export function NewTaskDialog(props: NewTaskDialogProps) {
  // Its state begins when it is opened and ends with it.
  return props.open ? <Opened {...props} /> : null;
}

/** What the form begins with: known once the server has said it. */
function Opened(props: NewTaskDialogProps) {
  const status = useStatus();
  const projects = useProjects();
  const isKnown = (status.data || status.error) && (projects.data || projects.error);
  if (!isKnown) {
    return (
      <Dialog open onOpenChange={props.onOpenChange} title="New task" testid="new-task-dialog">
        <Loading />
      </Dialog>
    );
  }
  const agents = status.data?.configured_agents ?? [];
  const project = projects.data?.find((it) => it.id === props.project);
  return <Form {...props} agents={agents} cwd={project?.project_root ?? ""} />;
}

const LAST_AGENT = "conductor.last-agent";
const CLOSES_AFTER = 2000;

function Form(props: NewTaskDialogProps & { agents: string[]; cwd: string }) {
  const { project, answering, agents } = props;
  const last = localStorage.getItem(LAST_AGENT) ?? "";
  const usual = agents.includes(last) ? last : (agents[0] ?? "");
  const draft = useTaskDraft(project, answering, {
    agent: usual,
    cwd: props.cwd,
    ...(props.prompt !== undefined && { prompt: props.prompt }),
  });
  const { submission, form } = draft;
  // What it reminds of is open now.
  useEffect(() => {
    toast.dismiss(DRAFT_NOTICE);
  }, []);
  const [isChecked, setChecked] = useState(false);
  const close = () => props.onOpenChange(false);

  const created = submission.state === "success" ? submission.task_id : undefined;
  const onClose = useRef(close);
  onClose.current = close;
  useEffect(() => {
    if (created === undefined) return;
    localStorage.setItem(LAST_AGENT, form.agent);
    go({ project, task: created });
    const timer = setTimeout(() => onClose.current(), CLOSES_AFTER);
    return () => clearTimeout(timer);
  }, [created, project, form.agent]);

  const title = answering ? `Answer ${answering.type} in a new task` : "New task";
  if (draft.found) return <Restore {...props} draft={draft} title={title} />;
  if (submission.state === "success") {
    const isQueued = submission.queue_position !== undefined;
    return (
      <Dialog open onOpenChange={props.onOpenChange} title={title} width={640} testid="new-task-dialog">
        <div className={styles.done} role="status">
          <CircleCheck size={28} aria-hidden />
          <b>
            Task {wholeSlug(form.slug)} {isQueued ? "is queued" : "is created"} and selected in the tree.
          </b>
          <code>{submission.task_id}</code>
        </div>
      </Dialog>
    );
  }

  const isSending = submission.state === "submitting";
  const trouble = submission.state === "error" ? submission.trouble : undefined;
  const open = submission.state === "error" ? submission.sent : undefined;
  const problems: FieldProblems = isChecked
    ? problemsOf(form, { tasks: tasksOf(project, open && idSent(open)) })
    : {};
  const refused = trouble && fieldOf({ message: plain(trouble.message), field: trouble.field });
  if (trouble && refused)
    problems[refused] ??= [plain(trouble.message), trouble.hint].filter(Boolean).join(". ");

  const submit = () => {
    if (isSending) return;
    if (open) return draft.retry();
    setChecked(true);
    const tasks = tasksOf(project, undefined);
    if (Object.keys(problemsOf(form, { tasks })).length === 0) draft.submit();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    submit();
  };

  return (
    <Dialog
      open
      onOpenChange={(isOpen) => !isOpen && close()}
      title={title}
      width={640}
      testid="new-task-dialog"
      footer={
        <>
          <div className={styles.foot} data-testid="draft-state">
            {draft.isWorthKeeping && (draft.isSaved ? "Draft saved" : "This browser keeps no drafts")}
            {draft.isWorthKeeping && !isSending && (
              <Button size="s" look="plain" onClick={draft.discard}>
                Discard draft
              </Button>
            )}
          </div>
          <Button onClick={close}>Not now</Button>
          <Button
            look="primary"
            icon={<Send size={14} aria-hidden />}
            busy={isSending}
            onClick={submit}
            data-testid="new-task-submit"
          >
            {open ? "Retry" : isSending ? "Creating" : "Create task"}
          </Button>
        </>
      }
    >
      {/* biome-ignore lint/a11y/noStaticElementInteractions: a shortcut for the button below */}
      <div className={styles.form} onKeyDown={onKeyDown} data-state={submission.state}>
        {trouble && (
          <Failure
            inline
            error={
              new Problem({
                status: 0,
                message: trouble.message,
                hint: open ? openHint(trouble.hint) : trouble.hint,
                requestId: trouble.request_id,
              })
            }
          />
        )}
        {answering && (
          <p className={styles.note}>
            It answers <code>{answering.message_id}</code> of <code>{answering.task_id}</code>. Both tasks’
            messages will name each other.
          </p>
        )}
        <fieldset className={styles.field} disabled={isSending || open !== undefined}>
          <legend className="visually-hidden">The task</legend>
          <Fields {...{ draft, problems, agents, project }} />
        </fieldset>
      </div>
    </Dialog>
  );
}

/** What may have arrived is sent again and not changed. */
function openHint(hint: string | undefined): string {
  const more = "Retry sends the same request again. It makes one task, even if the first one arrived.";
  return hint ? `${hint}. ${more}` : more;
}

/** Without the status, which the box above the form shows. */
function plain(message: string): string {
  return message.replace(/^api \d+: /, "");
}

/** The tasks that there are; the one that may have been accepted already is none of them. */
function tasksOf(project: string, except: string | undefined): Set<string> {
  const ids = Object.values(live.getState().tasks).filter(({ task }) => task.project_id === project);
  return new Set(ids.map(({ task }) => task.task_id).filter((id) => id !== except));
}

function Fields(props: { draft: TaskDraft; problems: FieldProblems; agents: string[]; project: string }) {
  const { problems, agents, project } = props;
  const { form, change } = props.draft;
  const prompt = useRef<HTMLTextAreaElement>(null);
  const worktree = useId();
  useEffect(() => {
    const box = prompt.current;
    box?.focus();
    box?.setSelectionRange(box.value.length, box.value.length);
  }, []);
  const hasBudget = [form.maxCost, form.maxTokens, form.maxDuration, form.maxAttempts].some(
    (text) => text !== "",
  );
  const id = idOf(form);
  const known = agents.includes(form.agent) || form.agent === "" ? agents : [form.agent, ...agents];
  return (
    <div className={styles.form}>
      <Field label="Prompt" problem={problems.prompt}>
        {(tied) => (
          <textarea
            {...tied}
            ref={prompt}
            className={styles.prompt}
            dir="auto"
            value={form.prompt}
            onChange={(event) => change({ prompt: event.target.value })}
            placeholder="What is to be done, and how one sees that it is"
            data-testid="new-task-prompt"
          />
        )}
      </Field>
      <div className={styles.pair}>
        <Field
          label="Agent"
          problem={problems.agent}
          note={
            agents.length === 0
              ? "None is configured; those on the PATH can be typed, such as claude"
              : undefined
          }
        >
          {(tied) =>
            agents.length > 0 ? (
              <select
                {...tied}
                value={form.agent}
                onChange={(event) => change({ agent: event.target.value })}
              >
                {known.map((agent) => (
                  <option key={agent}>{agent}</option>
                ))}
              </select>
            ) : (
              <input
                {...tied}
                value={form.agent}
                onChange={(event) => change({ agent: event.target.value })}
                spellCheck={false}
                autoComplete="off"
              />
            )
          }
        </Field>
        <Field label="Name" problem={problems.slug}>
          {(tied) => (
            <input
              {...tied}
              value={form.slug}
              onChange={(event) => change({ slug: typedSlug(event.target.value) })}
              onBlur={() => wholeSlug(form.slug) !== form.slug && change({ slug: wholeSlug(form.slug) })}
              spellCheck={false}
              autoComplete="off"
            />
          )}
        </Field>
      </div>
      <div className={styles.idLine}>
        <code title={id} data-testid="new-task-id">
          task-{form.stamp}-<b>{wholeSlug(form.slug)}</b>
        </code>
        <Copy text={id} what="the id" />
      </div>
      <Field
        label="Working folder"
        problem={problems.cwd}
        note="The agent works here. Empty takes the project’s folder."
      >
        {(tied) => <FolderInput tied={tied} value={form.cwd} onChange={(cwd) => change({ cwd })} />}
      </Field>
      <Gates gates={form.gates} onChange={(gates) => change({ gates })} />
      {problems.gates && <small className={styles.problem}>{problems.gates}</small>}
      <Field
        label="Depends on"
        optional
        problem={problems.dependsOn}
        note={form.dependsOn.length > 0 ? "It begins when all of these are done." : undefined}
      >
        {(tied) => (
          <DependsOn
            tied={tied}
            project={project}
            chosen={form.dependsOn}
            onChange={(dependsOn) => change({ dependsOn })}
          />
        )}
      </Field>
      <details className={styles.details} open={hasBudget || undefined}>
        <summary>Budget and more</summary>
        <div>
          <div className={styles.four}>
            <Budget {...{ form, change, problems }} field="maxCost" label="Cost, $" hint="2.50" />
            <Budget {...{ form, change, problems }} field="maxTokens" label="Tokens" hint="500k" />
            <Budget {...{ form, change, problems }} field="maxDuration" label="Time" hint="2h" />
            <Budget {...{ form, change, problems }} field="maxAttempts" label="Attempts" hint="10" />
          </div>
          <div className={styles.switch}>
            <input type="checkbox" disabled id={`${worktree}-box`} aria-describedby={worktree} />
            <div>
              <label htmlFor={`${worktree}-box`}>Work in a git worktree of its own</label>
              <small id={worktree}>Not available yet: agents work in the folder above itself.</small>
            </div>
          </div>
        </div>
      </details>
    </div>
  );
}

function Budget(props: {
  form: TaskDraft["form"];
  change: TaskDraft["change"];
  problems: FieldProblems;
  field: "maxCost" | "maxTokens" | "maxDuration" | "maxAttempts";
  label: string;
  hint: string;
}) {
  const { field } = props;
  return (
    <Field label={props.label} problem={props.problems[field]}>
      {(tied) => (
        <input
          {...tied}
          value={props.form[field]}
          onChange={(event) => props.change({ [field]: event.target.value })}
          placeholder={`such as ${props.hint}`}
          inputMode="decimal"
          autoComplete="off"
        />
      )}
    </Field>
  );
}

/** A draft was left: it comes back, or is thrown away on purpose. */
function Restore(props: NewTaskDialogProps & { draft: TaskDraft; title: string }) {
  const { found } = props.draft;
  if (!found) return null;
  const excerpt = found.form.prompt.trim();
  return (
    <Dialog
      open
      onOpenChange={props.onOpenChange}
      title="Restore unsaved task draft?"
      description={
        found.sent ? (
          <>
            It was sent, and the server’s answer was not heard. Restored, it can be sent again; it makes one
            task.
          </>
        ) : (
          <>You were writing this task and did not create it.</>
        )
      }
      testid="draft-found"
      footer={
        <>
          <Button onClick={props.draft.discard}>Discard</Button>
          <Button look="primary" onClick={props.draft.restore}>
            Restore
          </Button>
        </>
      }
    >
      <div className={styles.restore}>
        <span className={styles.note}>
          <code>{idOf(found.form)}</code> · changed <Time at={new Date(found.saved_at).toISOString()} />
        </span>
        {excerpt && <pre className={styles.excerpt}>{excerpt.slice(0, 600)}</pre>}
      </div>
    </Dialog>
  );
}
