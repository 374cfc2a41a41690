import { render, screen } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { Problem } from "../api/client";
import { Failure } from "./Failure";
import { Markdown } from "./Markdown";
import { lookOf, Status } from "./Status";

describe("a status", () => {
  it("has a colour, a shape and a word of its own, also where nobody knows it", () => {
    const known = [
      "running",
      "queued",
      "blocked",
      "waiting",
      "completed",
      "failed",
      "stopped",
      "partial_failure",
    ];
    expect(new Set(known.map((status) => lookOf(status).tone)).size).toBe(known.length);
    expect(lookOf("all_finished")).toMatchObject({ tone: "ok", text: "done" });
    expect(lookOf("some_new_word")).toMatchObject({ tone: "none", text: "some new word" });
    render(<Status status="failed" />);
    expect(screen.getByTestId("status")).toHaveTextContent("failed");
    expect(screen.getByTestId("status").querySelector("svg")).toBeTruthy();
  });
});

describe("markdown", () => {
  it("renders what hostile text asks for harmlessly", () => {
    const text = [
      "<script>alert(1)</script><img src=x onerror=alert(1)>",
      "[here](javascript:alert(1)) [there](https://example.com) ![tracker](https://example.com/pixel.png)",
      "<style>*{display:none}</style>",
    ].join("\n\n");
    const { container } = render(<Markdown text={text} />);
    for (const bad of ["script", "img", "style", "iframe"]) expect(container.querySelector(bad)).toBeNull();
    const links = screen.getAllByRole("link");
    expect(links.map((link) => link.getAttribute("href"))).toEqual(["https://example.com"]);
    expect(links[0]).toHaveAttribute("rel", "noreferrer noopener");
    expect(container).toHaveTextContent("[picture: tracker]");
  });
});

describe("a failure", () => {
  it("says what the server said, its hint, and the id of the request", () => {
    const problem = new Problem({
      status: 409,
      message: "it runs",
      hint: "stop it first",
      requestId: "req-1",
    });
    render(<Failure error={problem} />);
    const alert = screen.getByRole("alert");
    for (const text of ["api 409: it runs", "stop it first", "req-1"]) expect(alert).toHaveTextContent(text);
  });
});
