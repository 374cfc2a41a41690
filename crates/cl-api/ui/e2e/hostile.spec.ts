import type { Page } from "@playwright/test";
import { steady } from "./agents";
import { PROJECT } from "./harness/api";
import { pictures } from "./harness/picture";
import { expect, test } from "./harness/stage";
import { Ui } from "./harness/ui";

/** What an agent that was led astray may print or post. */
const HOSTILE = [
  "<script>window.harmed = 1</script>",
  '<img src="x" onerror="window.harmed = 2">',
  '<svg onload="window.harmed = 3"><iframe src="javascript:top.harmed=4"></iframe></svg>',
  "[click](javascript:window.harmed=5) ![spy](http://127.0.0.1:9/spy.png) <a href='javascript:harmed=6'>x</a>",
  '<style>body{display:none}</style><base href="http://127.0.0.1:9/"><meta http-equiv="refresh" content="0;url=http://127.0.0.1:9/">',
  "\u001b]8;;javascript:window.harmed=7\u0007link\u001b]8;;\u0007 \u001b]0;title\u0007\u001b[2J\u001b[H\u001b[999C\u001b[31mred\u001b[0m \u001b[?25l\u001bc",
  "\u001b[38;2;300;-1;9999mcolour\u001b[m \u001b[4:3m\u001b[58;5;999mcurly \u001b[",
  "\u202e gpj.exe \u2066\u2067\u202d mixed \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u202e",
  "\u{1f468}\u200d\u{1f469}\u200d\u{1f467}\u200d\u{1f466} \u{1f3f4}\u200d\u2620\ufe0f \u{1f600} Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e\u0349\u035a\u032f\u031e\u0320\u034da\u036b\u0357\u0334\u0362\u0335\u031c\u0330",
  "\u0000\u0001\u0007\u0008\u007f\ufeff\ufffe",
  '{"type":"assistant","message":{"content":[{"type":"text","text":"<img src=x onerror=window.harmed=8>"}]}}',
  "__proto__ constructor toString {{7*7}} %00 ../../../etc/passwd",
];
/** The last thing that is printed, and seen. */
const END = "the end of what is hostile";

async function expectNoHarm(page: Page, origin: string, asked: string[]): Promise<void> {
  expect(await page.evaluate(() => "harmed" in window)).toBe(false);
  expect(
    asked.filter((url) => !url.startsWith(origin) && !url.startsWith("data:") && !url.startsWith("blob:")),
  ).toEqual([]);
  // Nothing is pushed out of the page.
  const [wide, high] = await page.evaluate(() => {
    const { scrollWidth, scrollHeight } = document.documentElement;
    return [scrollWidth - innerWidth, scrollHeight - innerHeight];
  });
  expect(wide).toBeLessThanOrEqual(0);
  expect(high).toBeLessThanOrEqual(0);
  await expect(page.locator("iframe, object, embed, base, meta[http-equiv]")).toHaveCount(0);
  expect(await page.title()).not.toBe("title");
}

function watch(page: Page): string[] {
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("dialog", (dialog) => {
    asked.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return asked;
}

test("hostile lines of a log do no harm", async ({ stage, page }) => {
  stage.place.programmed(
    "hostile",
    `import { writeSync } from "node:fs";
const put = (text) => { for (let at = 0; at < text.length; ) at += writeSync(1, text, at); };
const lines = ${JSON.stringify(HOSTILE)};
for (const line of lines) put(Buffer.from(line + "\\n"));
put(Buffer.from([0xff, 0xfe, 0xc3, 0x28, 0xf0, 0x9f, 0x98, 10]));
put(Buffer.from("x".repeat(1 << 20) + "\\n"));
put(Buffer.from("<b>".repeat(350000) + "\\n"));
for (const line of lines) put(Buffer.from(line + "\\n"));
put(Buffer.from(${JSON.stringify(`${END}\n`)}));
setInterval(() => {}, 1 << 30);
`,
  );
  await stage.serve();
  const asked = watch(page);
  const id = await stage.api.launch("astray", "hostile", {
    cwd: stage.place.work,
    policy: { max_attempts: 1 },
  });
  await stage.api.reaches(id, "running");
  await stage.open(page, `/p/${PROJECT}/t/${id}?tab=log`);
  const ui = new Ui(page);
  await expect(ui.log).toContainText(END);
  await expectNoHarm(page, stage.server.origin, asked);
  await pictures(page, "hostile-log");
  await ui.log.press("Home");
  await expect(ui.log).toContainText("<script>window.harmed = 1</script>");
  await expectNoHarm(page, stage.server.origin, asked);
  await pictures(page, "hostile-log-top");
});

test("hostile messages do no harm", async ({ stage, page }) => {
  steady(stage.place);
  await stage.serve();
  const asked = watch(page);
  const id = await stage.api.launch("astray", "steady", { cwd: stage.place.work });
  for (const [index, body] of HOSTILE.entries()) {
    await stage.api.post(id, ["INFO", "QUESTION", "FACT", "ERROR"][index % 4] ?? "INFO", body);
  }
  await stage.api.post(id, "INFO", `${"y".repeat(500_000)}`);
  await stage.api.post(id, "INFO", `${"> ".repeat(2000)}deep`);
  await stage.api.post(id, "INFO", END);
  await stage.open(page, `/p/${PROJECT}/t/${id}?tab=messages`);
  const ui = new Ui(page);
  await expect(ui.message(END)).toHaveCount(1);
  await expectNoHarm(page, stage.server.origin, asked);
  await pictures(page, "hostile-messages");
  // Whatever unfolds is unfolded.
  const more = ui.bus.getByRole("button", { name: /show more/i });
  for (let opened = 0; opened < 10 && (await more.count()) > 0; opened++) {
    await more.first().click();
  }
  await expectNoHarm(page, stage.server.origin, asked);
});
