/** The Markdown that reports are written in, as blocks: headings, paragraphs, lists, tables, fenced code. Everything else is text. */

/** Text, and text that is code. */
export interface Span {
  readonly text: string
  readonly code: boolean
}

export type Block =
  | { readonly type: 'heading'; readonly level: number; readonly spans: readonly Span[] }
  | { readonly type: 'paragraph'; readonly spans: readonly Span[] }
  | { readonly type: 'list'; readonly items: readonly (readonly Span[])[] }
  | { readonly type: 'code'; readonly text: string }
  | { readonly type: 'table'; readonly head: readonly (readonly Span[])[]; readonly rows: readonly (readonly (readonly Span[])[])[] }

export function blocksOf(markdown: string): Block[] {
  const lines = markdown.split('\n')
  const blocks: Block[] = []
  for (let at = 0; at < lines.length;) {
    const [block, next] = blockAt(lines, at)
    if (block !== undefined) blocks.push(block)
    at = next
  }
  return blocks
}

/** @returns the block that begins at a line, and the line after it */
function blockAt(lines: readonly string[], at: number): [block: Block | undefined, next: number] {
  const line = lines[at]!
  if (line.trim() === '') return [undefined, at + 1]
  if (line.startsWith('```')) return fenced(lines, at)
  const [, marks, title] = /^(#{1,6}) (.*)$/.exec(line) ?? []
  if (marks !== undefined) return [{ type: 'heading', level: marks.length, spans: spansOf(title!) }, at + 1]
  const end = endOf(lines, at)
  const part = lines.slice(at, end)
  if (isTable(part)) return [tableOf(part), end]
  if (part.every((each) => each.startsWith('- '))) return [{ type: 'list', items: part.map((each) => spansOf(each.slice(2))) }, end]
  return [{ type: 'paragraph', spans: spansOf(part.join(' ')) }, end]
}

/** A fence that is never closed goes to the end. */
function fenced(lines: readonly string[], at: number): [Block, number] {
  const close = lines.findIndex((line, i) => i > at && line.startsWith('```'))
  const end = close < 0 ? lines.length : close
  return [{ type: 'code', text: lines.slice(at + 1, end).join('\n') }, end + 1]
}

/** The line after the last that belongs to what begins at `at`. */
function endOf(lines: readonly string[], at: number): number {
  const next = lines.findIndex((line, i) => i > at && (line.trim() === '' || line.startsWith('```') || /^#{1,6} /.test(line)))
  return next < 0 ? lines.length : next
}

function isTable(lines: readonly string[]): boolean {
  return lines.length >= 2 && lines.every((line) => line.startsWith('|')) && /^\|[\s|:-]+\|$/.test(lines[1]!)
}

function tableOf([head, , ...rows]: readonly string[]): Block {
  return { type: 'table', head: cellsOf(head!), rows: rows.map(cellsOf) }
}

function cellsOf(line: string): Span[][] {
  return line.trim().slice(1, -1).split(/(?<!\\)\|/).map((cell) => spansOf(cell.trim()))
}

/** Code between backticks; an escaped character is itself. */
function spansOf(text: string): Span[] {
  return text.split(/(?<!\\)`/).map((part, i) => ({ text: i % 2 === 0 ? unescaped(part) : part, code: i % 2 === 1 })).filter((span) => span.text !== '')
}

function unescaped(text: string): string {
  return text.replaceAll(/\\([\\`*[\]<>|])/g, '$1')
}
