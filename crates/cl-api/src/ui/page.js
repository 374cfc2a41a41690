// Shows projects, tasks and runs, and follows the output of one run.
//
// Everything that comes from the server becomes text and never markup.
"use strict";

const EVERY_MS = 2000;
// How much of a log the page holds, and how much it takes at once.
const HELD = 1024 * 1024;
const TAKEN = 256 * 1024;

const element = (id) => document.getElementById(id);
const chosen = { project: null, task: null, run: null };
const log = { key: null, offset: 0 };

async function get(path) {
  const answer = await fetch(path, { credentials: "same-origin", cache: "no-store" });
  if (answer.status === 401 || answer.status === 403) {
    throw Object.assign(new Error("not logged in"), { needsLogin: true });
  }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw Object.assign(new Error(problem.message || String(answer.status)), { status: answer.status });
  }
  return answer.json();
}

function path(...names) {
  return "/api/projects" + names.map((name) => "/" + encodeURIComponent(name)).join("");
}

function fill(list, items, current, choose) {
  const rows = items.map(({ id, text }) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.setAttribute("aria-current", String(id === current));
    button.addEventListener("click", () => choose(id));
    const row = document.createElement("li");
    row.append(button);
    return row;
  });
  // What has the focus would lose it.
  if (!list.contains(document.activeElement) || list.childElementCount !== rows.length) {
    list.replaceChildren(...rows);
  }
}

async function look() {
  const { projects } = await get("/api/projects");
  const named = projects.map((it) => ({ id: it.id, text: `${it.id} (${it.task_count})` }));
  fill(element("projects"), named, chosen.project, (id) => choose({ project: id, task: null, run: null }));
  if (chosen.project === null) return;

  const tasks = await get(path(chosen.project, "tasks") + "?limit=200");
  const ofTasks = tasks.items.map((it) => ({ id: it.id, text: `${it.id}: ${it.status}` }));
  fill(element("tasks"), ofTasks, chosen.task, (id) => choose({ task: id, run: null }));
  if (chosen.task === null) return;

  const detail = await get(path(chosen.project, "tasks", chosen.task) + "?include_files=0");
  const ofRuns = (detail.runs || []).slice().reverse()
    .map((it) => ({ id: it.id, text: `${it.id} ${it.agent || ""}: ${it.status}` }));
  fill(element("runs"), ofRuns, chosen.run, (id) => choose({ run: id }));
  if (chosen.run !== null) await follow();
}

async function follow() {
  const name = element("name").value;
  const key = [chosen.project, chosen.task, chosen.run, name].join("/");
  const shown = element("log");
  const start = log.key === key ? `offset=${log.offset}` : "tail=500";
  element("output").hidden = false;
  element("title").textContent = chosen.run;
  let part;
  try {
    const file = path(chosen.project, "tasks", chosen.task, "runs", chosen.run) + "/file";
    part = await get(`${file}?name=${encodeURIComponent(name)}&limit=${TAKEN}&${start}`);
  } catch (error) {
    if (error.status !== 404) throw error;
    log.key = null;
    shown.textContent = "There is no such file yet.";
    return;
  }
  const isAtEnd = shown.scrollTop + shown.clientHeight >= shown.scrollHeight - 20;
  if (log.key !== key) shown.textContent = "";
  log.key = key;
  log.offset = part.next_offset || part.size_bytes;
  if (part.content !== "") {
    shown.textContent = (shown.textContent + part.content).slice(-HELD);
    if (isAtEnd) shown.scrollTop = shown.scrollHeight;
  }
}

function choose(change) {
  Object.assign(chosen, change);
  if (chosen.task === null) element("runs").replaceChildren();
  if (chosen.run === null) element("output").hidden = true;
  if (document.activeElement) document.activeElement.blur();
  turn();
}

let isLooking = false;
let isWanted = false;

async function turn() {
  isWanted = true;
  if (isLooking) return;
  isLooking = true;
  try {
    while (isWanted) {
      isWanted = false;
      await look();
    }
    element("login").hidden = true;
    element("state").textContent = "Live";
  } catch (error) {
    element("login").hidden = !error.needsLogin;
    element("state").textContent = error.message;
  } finally {
    isLooking = false;
  }
}

element("name").addEventListener("change", turn);
setInterval(() => { if (!document.hidden) turn(); }, EVERY_MS);
turn();
