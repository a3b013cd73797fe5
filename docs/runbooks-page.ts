/** The runbooks of docs/operations.md as one page, which Prometheus itself can serve (`--web.user-assets`): it is there when a mirror is not. */

const HEAD = `<!doctype html>
<!-- Written by docs/generate.ts (npm run docs) from docs/operations.md. Change that, not this. -->
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Image mirror: what to do about each alert</title>
<style>
:root { color-scheme: light dark; }
body { max-width: 50rem; margin: 0 auto; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
pre { padding: 0.5rem; border: 1px solid; overflow-x: auto; }
:target { background: Mark; color: MarkText; }
</style>
</head>
<body>
<h1>Image mirror: what to do about each alert</h1>
<p>This is the last part of <code>docs/operations.md</code> of the mirror, which has the other parts that are named here, and leads to the other documents. Where the mirror runs in a container, its
commands are run there: <code>docker compose exec mirror imgapi-mirror status</code>, or <code>docker exec NAME imgapi-mirror status</code>.</p>
`;

const HEADING = /^### (\w+)$/;

/**
 * @param operations the text of docs/operations.md
 * @throws if its part on alerts has more than headings, paragraphs, code and links
 */
export function runbooksPage(operations: string): string {
  const [, part = ''] = operations.split('\n## Alerts\n');
  const blocks = part
    .slice(part.indexOf('### '))
    .trim()
    .split(/\n{2,}/);
  const anchors = new Set(blocks.map((block) => anchorOf(HEADING.exec(block)?.[1])));
  return `${HEAD}${blocks.map((block) => blockHtml(block, anchors)).join('\n')}\n</body>\n</html>\n`;
}

function anchorOf(name = ''): string {
  return name.toLowerCase();
}

function blockHtml(block: string, anchors: ReadonlySet<string>): string {
  const name = HEADING.exec(block)?.[1];
  if (name !== undefined) return `<h2 id="${anchorOf(name)}">${name}</h2>`;
  const code = /^```.*\n([^]*)\n```$/.exec(block)?.[1];
  if (code !== undefined) return `<pre><code>${escaped(code)}</code></pre>`;
  if (/^(?:[#|>*-]|\d+\.|```)/.test(block))
    throw new Error(`docs/runbooks-page.ts does not know what this is: ${block}`);
  return `<p>${inlineHtml(block, anchors)}</p>`;
}

/** Code as it is; links to alerts lead there, those to other places are their words. */
function inlineHtml(text: string, anchors: ReadonlySet<string>): string {
  return escaped(text)
    .replaceAll(/`([^`]+)`/g, '<code>$1</code>')
    .replaceAll(/\[([^\]]+)\]\(([^)\s]+)\)/g, (_, words: string, target: string) =>
      anchors.has(target.slice(1)) ? `<a href="${target}">${words}</a>` : words,
    );
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
