import { Check, ChevronsUpDown, FolderPlus, LayoutGrid } from "lucide-react";
import { useProjects } from "../api/queries";
import { Menu, MenuItem, MenuLabel, MenuLine } from "../parts/Menu";
import { Time } from "../parts/Time";
import { go } from "../route/route";
import { openDialog } from "../shell/dialogs";
import styles from "./Tree.module.css";

/** Which project is shown, and the others. */
export function ProjectPicker({ project }: { project: string | undefined }) {
  const projects = useProjects();
  return (
    <Menu
      button={
        <button
          type="button"
          className={styles.picker}
          data-testid="project-picker"
          aria-label={project === undefined ? "No project" : `Project ${project}`}
        >
          <span>{project ?? "No project"}</span>
          <ChevronsUpDown size={13} aria-hidden />
        </button>
      }
    >
      <MenuLabel>Projects</MenuLabel>
      {(projects.data ?? []).map((each) => (
        <MenuItem
          key={each.id}
          onSelect={() => go({ project: each.id, task: undefined, run: undefined, tab: undefined })}
          icon={<Check size={14} style={{ visibility: each.id === project ? "visible" : "hidden" }} />}
          note={
            <>
              {each.task_count} {each.task_count === 1 ? "task" : "tasks"} · <Time at={each.last_activity} />
            </>
          }
        >
          {each.id}
        </MenuItem>
      ))}
      {projects.data?.length === 0 && <MenuItem disabled>No projects yet</MenuItem>}
      <MenuLine />
      <MenuItem icon={<LayoutGrid size={14} />} onSelect={() => go({ project: undefined })}>
        All projects
      </MenuItem>
      <MenuItem icon={<FolderPlus size={14} />} onSelect={() => openDialog("new-project")}>
        New project…
      </MenuItem>
    </Menu>
  );
}
