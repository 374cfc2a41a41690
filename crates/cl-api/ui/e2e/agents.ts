import { taskId } from "./harness/api";
import type { Place, Step } from "./harness/place";

/** Waits until a test releases it; each task has files of its own. */
const until = (name: string): Step => ({
  wait_for: { file: `\${JRUN_TASK_ID}.${name}`, timeout: "300s" },
});

/** Lets the agent of a task go on. */
export function release(place: Place, task: string, name: string): void {
  place.release(`${task}.${name}`);
}

/** The gate that the greeter's first claim does not pass. */
export const GREETING_GATE = "test -s greeting.txt || { echo there is no greeting; exit 1; }";

/** Claims to be done while the work is missing, then does it; waits before each claim. */
export function greeter(place: Place): void {
  place.scripted("greeter", {
    dialect: "claude",
    attempts: [
      [
        { say: "I look around first." },
        { post: { type: "PROGRESS", body: "looking around" } },
        until("claim"),
        { say: "This should be it." },
        { done: true },
      ],
      [
        { say: "The gate is right: the greeting is missing." },
        until("work"),
        { write: { path: "greeting.txt", content: "Good morning.\n" } },
        { post: { type: "FACT", body: "greeting written" } },
        { output: "# Result\n\nThe greeting is in `greeting.txt`.\n" },
        { usage: { input_tokens: 900, output_tokens: 100, cost_usd: 0.01 } },
        { done: true },
      ],
    ],
  });
}

/** Says something and works on, for ever. */
export function steady(place: Place): void {
  place.scripted("steady", { steps: [{ say: "I am at work." }, { hang: true }] });
}

/** Is done at once. */
export function quick(place: Place): void {
  place.scripted("quick", { steps: [{ say: "That was easy." }, { done: true }] });
}

/** Asks, waits for the answer on its bus, and says what it heard. */
export function asker(place: Place): void {
  place.scripted("asker", {
    steps: [
      { say: "I have to ask." },
      { post: { type: "QUESTION", body: "Which colour shall the gate have?" } },
      {
        run: "until run-agent bus read --tail 0 --type ANSWER | grep -q green; do sleep 0.05; done; echo heard >heard.txt",
      },
      { post: { type: "FACT", body: "painted it green" } },
      { done: true },
    ],
  });
}

/** Fails twice before it is done. */
export function stumbler(place: Place): void {
  place.scripted("stumbler", {
    attempts: [
      [{ say: "First try." }, { exit: 3 }],
      [{ say: "Second try." }, { exit: 3 }],
      [{ say: "Third try." }, until("end"), { done: true }],
    ],
  });
}

/** Gives work to two others by the command line, and is done when they are. */
export function parent(place: Place): void {
  place.scripted("child", { steps: [{ say: "A part of it." }, until("end"), { done: true }] });
  place.scripted("parent", {
    steps: [
      { say: "I share the work." },
      ...["roots", "leaves"].map((name) => ({
        spawn: { prompt: `See to the ${name}.`, args: [taskId(name), "--agent", "child"] },
      })),
      { done: true },
    ],
  });
}

/**
 * Prints numbered lines at a rate, in bursts of 20 ms, until it is killed or has printed `lines`. Behind `early` of them it waits
 * until a test releases `more`.
 */
export function counter(
  place: Place,
  name: string,
  perSecond: number,
  lines = Number.MAX_SAFE_INTEGER,
  early = lines,
): void {
  place.programmed(
    name,
    `import { existsSync } from "node:fs";
const began = Date.now();
let printed = 0;
let most = ${early};
const timer = setInterval(() => {
  if (most < ${lines} && existsSync(process.env.JRUN_TASK_ID + ".more")) most = ${lines};
  const due = Math.min(most, Math.floor(((Date.now() - began) * ${perSecond}) / 1000));
  let text = "";
  while (printed < due) text += "line " + String(++printed).padStart(9, "0") + " of the work that goes on and on\\n";
  if (text) process.stdout.write(text);
  if (printed >= ${lines}) clearInterval(timer);
}, 20);
`,
  );
}
