import { readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Chat {
  readonly messages: readonly { readonly role: string; readonly content: string }[]
}

/** Chats of the project's own general set, in two shapes. */
export interface BenchRows {
  readonly train: readonly Chat[]
  readonly heldOut: readonly Chat[]
}

const general = readFileSync(join(import.meta.dirname, '../src/data/general.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Chat)

/** As users write them: one question, one answer, of unequal length. */
export function shortRows(): BenchRows {
  return { train: general.slice(0, 80), heldOut: general.slice(80) }
}

/** Of nearly equal, long length, where padding costs nobody anything: each joins `turns` chats into one conversation. */
export function longRows(turns = 7): BenchRows {
  const join = (from: number): Chat => ({
    messages: Array.from({ length: turns }, (_, i) => general[(from + i) % 80]!.messages).flat(),
  })
  return { train: Array.from({ length: 48 }, (_, i) => join(i * 5)), heldOut: general.slice(80) }
}

const words = general.flatMap(({ messages }) => messages.flatMap(({ content }) => content.split(/\s+/)))

function passage(start: number, count: number): string {
  return Array.from({ length: count }, (_, i) => words[(start + i) % words.length]!).join(' ')
}

interface Turn {
  readonly role: string
  readonly content: string
}

const turns = (role: string, content: string): Turn[] => [{ role, content }]

/** Prompts of 150 words, two answers of 60: text of the general set, cut anywhere. */
export function pairRows(count: number): { readonly prompt: Turn[]; readonly chosen: Turn[]; readonly rejected: Turn[] }[] {
  return Array.from({ length: count }, (_, i) => ({
    prompt: turns('user', passage(i * 270, 150)),
    chosen: turns('assistant', passage(i * 270 + 150, 60)),
    rejected: turns('assistant', passage(i * 270 + 210, 60)),
  }))
}

/** Prompts of about 100 tokens under SmolLM2's template. */
export function promptRows(count: number): { readonly prompt: Turn[] }[] {
  return Array.from({ length: count }, (_, i) => ({ prompt: turns('user', passage(i * 55, 55)) }))
}
