import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, got, Problem } from "../api/client";
import { useProjects } from "../api/queries";
import { Button } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { Failure } from "../parts/Failure";
import { go, useRoute } from "../route/route";
import styles from "./Act.module.css";
import { Field } from "./Field";
import { FolderInput, useHomeDirs } from "./FolderInput";
import { projectIdProblem } from "./ids";
import { folderProblem } from "./taskForm";
import { tell } from "./tell";

export interface NewProjectDialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}

/** Asks what a new project is to be. */
export function NewProjectDialog(props: NewProjectDialogProps) {
  return props.open ? <Opened {...props} /> : null;
}

/** Says what is wrong with a new project before it is sent, in this order. */
export function newProjectProblem(
  id: string,
  folder: string,
  known: readonly string[],
): { field: "id" | "folder"; problem: string } | undefined {
  const text = id.trim();
  if (text === "") return { field: "id", problem: "Project ID is required" };
  if (folder.trim() === "") return { field: "folder", problem: "Home/work folder path is required" };
  if (known.some((it) => it.toLowerCase() === text.toLowerCase())) {
    return { field: "id", problem: `Project "${text}" already exists` };
  }
  const wrongId = projectIdProblem(text);
  if (wrongId) return { field: "id", problem: wrongId };
  const wrongFolder = folderProblem(folder);
  return wrongFolder ? { field: "folder", problem: wrongFolder } : undefined;
}

function Opened({ onOpenChange }: NewProjectDialogProps) {
  const { project: current } = useRoute();
  const { data: projects = [] } = useProjects();
  const { data: dirs } = useHomeDirs(true);
  const queries = useQueryClient();
  const [id, setId] = useState("");
  const [typed, setTyped] = useState<string>();
  const [isChecked, setChecked] = useState(false);
  const [isSending, setSending] = useState(false);
  const [error, setError] = useState<Problem>();
  const folder = typed ?? projects.find((it) => it.id === current)?.project_root ?? dirs?.dirs[0] ?? "";

  const ids = projects.map((it) => it.id);
  const wrong = isChecked ? newProjectProblem(id, folder, ids) : undefined;
  const refusedField =
    error && (/^project_root/.test(error.said) ? "folder" : error.status === 409 ? "id" : undefined);
  const problemOf = (field: "id" | "folder") =>
    wrong?.field === field ? wrong.problem : refusedField === field ? error?.said : undefined;

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setChecked(true);
    setError(undefined);
    if (isSending || newProjectProblem(id, folder, ids)) return;
    setSending(true);
    try {
      const body = { project_id: id.trim(), project_root: folder.trim() };
      const made = await got(api.POST("/api/projects", { body }));
      await queries.invalidateQueries({ queryKey: ["root"] });
      go({ project: made.id, task: undefined, run: undefined });
      tell(`Project ${made.id} created and selected.`);
      onOpenChange(false);
    } catch (error) {
      setError(Problem.of(error));
    } finally {
      setSending(false);
    }
  };

  return (
    <Dialog
      open
      onOpenChange={onOpenChange}
      title="New project"
      description="A project is a folder that agents work in, with its tasks and messages."
      testid="new-project-dialog"
      footer={
        <>
          <Button onClick={() => onOpenChange(false)}>Not now</Button>
          <Button look="primary" type="submit" form="new-project" busy={isSending}>
            Create project
          </Button>
        </>
      }
    >
      <form id="new-project" className={styles.form} onSubmit={(event) => void submit(event)} noValidate>
        {error && <Failure inline error={error} />}
        <Field
          label="Project ID"
          problem={problemOf("id")}
          note="Lower-case letters, digits and hyphens, such as my-project"
        >
          {(tied) => (
            <input
              {...tied}
              value={id}
              onChange={(event) => {
                setId(event.target.value);
                setError(undefined);
              }}
              spellCheck={false}
              autoComplete="off"
            />
          )}
        </Field>
        <Field
          label="Home or work folder"
          problem={problemOf("folder")}
          note="On the machine of the server; it must be there."
        >
          {(tied) => (
            <FolderInput
              tied={tied}
              value={folder}
              onChange={(text) => {
                setTyped(text);
                setError(undefined);
              }}
            />
          )}
        </Field>
      </form>
    </Dialog>
  );
}
