import { memo } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import rehypeSanitize from "rehype-sanitize";
import remarkGfm from "remark-gfm";
import styles from "./Markdown.module.css";

const SAFE_LINK = /^(https?:|mailto:|#)/i;

const components: Components = {
  a: ({ href, children }) =>
    href && SAFE_LINK.test(href) ? (
      <a href={href} target={href.startsWith("#") ? undefined : "_blank"} rel="noreferrer noopener">
        {children}
      </a>
    ) : (
      <span>{children}</span>
    ),
  // Nothing is loaded from outside; what a picture shows is said instead.
  img: ({ alt, src }) => <span className={styles.picture}>[picture: {alt || String(src ?? "")}]</span>,
};

/** Markdown of agents and people. HTML in it is shown as text, and pictures are not loaded. */
export const Markdown = memo(function Markdown({ text }: { text: string }) {
  return (
    <div className={styles.markdown} dir="auto">
      <ReactMarkdown remarkPlugins={[remarkGfm]} rehypePlugins={[rehypeSanitize]} components={components}>
        {text}
      </ReactMarkdown>
    </div>
  );
});
