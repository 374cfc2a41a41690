import { describe, expect, it } from "vitest";
import { type Happening, IDLE, idSent, isOpen, next, type Submission } from "./submission";

const SENT = { key: "k", body: '{"task_id":"task-1"}' };
const walk = (...happened: Happening[]): Submission => happened.reduce(next, IDLE);
const submit: Happening = { type: "submit", sent: SENT };
const unheard: Happening = { type: "failed", trouble: { message: "no answer" } };
const refused: Happening = { type: "failed", trouble: { message: "no such agent", status: 400 } };

describe("a submission", () => {
  it("goes from idle over submitting to success", () => {
    expect(walk(submit)).toEqual({ state: "submitting", sent: SENT });
    expect(walk(submit, { type: "accepted", task_id: "task-1" })).toMatchObject({
      state: "success",
      task_id: "task-1",
    });
  });

  it("is not sent twice while it is on its way", () => {
    const other = { key: "other", body: "{}" };
    expect(walk(submit, { type: "submit", sent: other })).toEqual({ state: "submitting", sent: SENT });
    expect(walk(submit, { type: "retry" })).toEqual({ state: "submitting", sent: SENT });
  });

  it("that was not answered is sent again with the same key and body", () => {
    expect(walk(submit, unheard)).toMatchObject({ state: "error", sent: SENT });
    expect(walk(submit, unheard, { type: "retry" })).toEqual({ state: "submitting", sent: SENT });
    expect(walk(submit, unheard, { type: "edited" }, { type: "retry" })).toEqual({
      state: "submitting",
      sent: SENT,
    });
  });

  it("that was refused is over, and the form may change", () => {
    expect(walk(submit, refused)).toMatchObject({ state: "error", sent: undefined });
    expect(walk(submit, refused, { type: "retry" })).toMatchObject({ state: "error" });
    expect(walk(submit, refused, { type: "edited" })).toEqual(IDLE);
  });

  it("that a crash interrupted is found again and can be retried", () => {
    const found = walk({ type: "found", sent: SENT });
    expect(found).toMatchObject({ state: "error", sent: SENT });
    expect(next(found, { type: "retry" })).toEqual({ state: "submitting", sent: SENT });
  });

  it("hears no answers that come too late", () => {
    expect(walk({ type: "accepted", task_id: "task-1" })).toEqual(IDLE);
    expect(walk(submit, refused, { type: "edited" }, { type: "accepted", task_id: "x" })).toEqual(IDLE);
  });

  it("knows which failures leave it open whether the task was accepted", () => {
    const open = [undefined, 0, 500, 502, 503, 408, 429];
    const final = [400, 401, 403, 404, 409, 413];
    for (const status of open) expect(isOpen({ message: "", status }), String(status)).toBe(true);
    for (const status of final) expect(isOpen({ message: "", status }), String(status)).toBe(false);
  });

  it("keeps the id that was sent", () => {
    expect(idSent(SENT)).toBe("task-1");
    expect(idSent({ key: "k", body: "no json" })).toBeUndefined();
    expect(idSent(undefined)).toBeUndefined();
  });
});
