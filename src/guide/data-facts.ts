/** Facts of data files: what kind of rows, how many, what is wrong with them, what their answers have in common. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { checkData, type DataReport } from '../data/check.ts'
import type { LengthOptions } from '../data/check-lengths.ts'
import { parseRows } from '../data/read.ts'
import { pairRow } from '../data/rows.ts'
import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import type { AnswerForm, DataFacts, HeldOutFacts, Lengths } from './facts.ts'

/** Facts of a file, and what they are compared by with those of other files. */
export interface FileFacts {
  readonly facts: DataFacts
  /** For each prompt, by digest, its first answer's digest. */
  readonly answers: ReadonlyMap<string, string>
}

export interface FileOptions {
  /** What a recipe calls the file, unless by its path. */
  readonly name?: string
  readonly tokenizer?: Tokenizer | undefined
  readonly rendering?: LengthOptions
}

type RawRow = Readonly<Record<string, unknown>>

const anyRow = { name: 'any', fields: [], schema: z.looseObject({}), example: '{}' }

/** @throws UserError where the file as a whole cannot be read */
export async function fileFacts(path: string, { name = path, tokenizer, rendering = {} }: FileOptions = {}): Promise<FileFacts> {
  const report = await checkData(path, tokenizer, rendering)
  const { entries } = await parseRows<RawRow>(path, [anyRow])
  const rows = entries.flatMap((entry) => ('row' in entry ? [entry.row] : []))
  const form = report.data === 'sft' ? formOf(rows.map(answerOf)) : undefined
  const prompted = report.data === 'prompts' ? answersOf(rows) : {}
  const first = report.findings.find(({ severity }) => severity === 'error')
  const { labels, tokens } = report
  return {
    facts: {
      name, kind: report.data, rows: report.usable, broken: brokenRows(report), duplicates: report.duplicates, conflicts: report.conflicts,
      lengths: lengthsOf(report, rows),
      ...(first !== undefined && { fault: `${first.where}: ${first.problem}` }),
      ...(labels !== undefined && { labels }),
      ...(form !== undefined && { form }),
      ...prompted,
      ...(report.kind === pairRow.name && { asPrompts: true }),
      ...(tokens?.chosenLonger !== undefined && { chosenLonger: tokens.chosenLonger }),
    },
    answers: new Map(rows.toReversed().map((row) => [digest(promptOf(row)), digest(answerOf(row))])),
  }
}

/** Facts of held-out rows beside the files that are trained on. */
export function heldOutFacts({ facts, answers }: FileFacts, training: readonly FileFacts[]): HeldOutFacts {
  const { name, kind, rows, broken } = facts
  const leaked = [...answers.keys()].filter((prompt) => training.some((file) => file.answers.has(prompt))).length
  return { name, kind, rows, broken, leaked }
}

/**
 * How many models the files ask for: as many as there are files of demonstrations, where they answer the same prompts in
 * different ways; else one.
 */
export function variantsOf(files: readonly FileFacts[]): number {
  const demonstrations = files.filter(({ facts }) => facts.kind === 'sft')
  const [first, ...others] = demonstrations
  if (first === undefined) return 1
  const differs = (file: FileFacts): boolean => {
    const common = [...file.answers].filter(([prompt]) => first.answers.has(prompt))
    const different = common.filter(([prompt, answer]) => first.answers.get(prompt) !== answer)
    return common.length > 0 && different.length > common.length / 2
  }
  return others.length > 0 && others.every(differs) ? demonstrations.length : 1
}

function brokenRows({ rows, findings }: DataReport): number {
  return Math.min(rows, new Set(findings.filter(({ severity }) => severity === 'error').map(({ where }) => where)).size)
}

/** Characters of English for a token. */
const charactersPerToken = 4

function lengthsOf({ tokens }: DataReport, rows: readonly RawRow[]): Lengths {
  if (tokens !== undefined) {
    const { median, percentile95, longest } = tokens
    return { median, percentile95, longest, basis: 'tokens' }
  }
  const sorted = rows.map((row) => Math.ceil(textsOf(row) / charactersPerToken)).toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
  return { median: at(0.5), percentile95: at(0.95), longest: at(1), basis: 'characters' }
}

/** Characters of all texts in a row. */
function textsOf(value: unknown): number {
  if (typeof value === 'string') return value.length
  return typeof value === 'object' && value !== null ? Object.values(value).reduce<number>((sum, part) => sum + textsOf(part), 0) : 0
}

interface Turn {
  readonly role?: unknown
  readonly content?: unknown
}

function turnsOf(value: unknown): readonly Turn[] {
  return Array.isArray(value) ? value as readonly Turn[] : []
}

/** The last thing that the assistant is to say; empty where the row has no answer. */
function answerOf({ messages, completion }: RawRow): string {
  const value = completion ?? messages
  if (typeof value === 'string') return value
  const content = turnsOf(value).findLast(({ role }) => role === 'assistant')?.content
  return typeof content === 'string' ? content : ''
}

function promptOf({ messages, prompt, input }: RawRow): unknown {
  const asked = (turns: unknown): unknown[] => turnsOf(turns).filter(({ role }) => role !== 'assistant').map(({ content }) => content)
  if (messages !== undefined) return asked(messages)
  if (input !== undefined) return asked((input as RawRow)['messages'])
  return typeof prompt === 'string' ? [prompt] : asked(prompt)
}

function digest(value: unknown): string {
  const text = JSON.stringify(value).normalize('NFKC').toLowerCase().replaceAll(/\s+/g, ' ')
  return createHash('sha256').update(text).digest('base64url')
}

/** A form is one that so many answers have. */
const formShare = 0.9
/** As many answers as this, or more, are needed to speak of a form. */
const formRows = 10
/** Labels are short, and each is the answer of several rows. */
const label = { characters: 40, rows: 5 }

/** What nearly all answers have in common; undefined: nothing that is known here. */
export function formOf(answers: readonly string[]): AnswerForm | undefined {
  if (answers.length < formRows) return undefined
  const share = (fits: (answer: string) => boolean): boolean => answers.filter(fits).length >= formShare * answers.length
  if (share(isJson)) return 'json'
  if (share((answer) => answer.trim().split('\n').every((line) => /^[\p{L}_][\p{L}\d_ -]{0,30}:\s/u.test(line)))) return 'fields'
  const distinct = new Set(answers.map((answer) => answer.trim().toLowerCase()))
  return distinct.size * label.rows <= answers.length && share(({ length }) => length <= label.characters) ? 'labels' : undefined
}

function isJson(answer: string): boolean {
  try {
    const value = JSON.parse(answer) as unknown
    return typeof value === 'object' && value !== null
  } catch {
    return false
  }
}

/** What people call the right answer of a prompt. */
const answerFields = ['answer', 'solution', 'target', 'reference', 'expected', 'result', 'label', 'ground_truth', 'gold']

/** A longer text is an answer of its own: no other will be the same to the letter. */
const longestCompared = 60

/** What the fields of prompts say of their answers. */
function answersOf(rows: readonly RawRow[]): Pick<DataFacts, 'check' | 'answers'> {
  const [first] = rows
  if (first === undefined) return {}
  const common = Object.keys(first).filter((name) => name !== 'prompt' && isPlaceable(name) && rows.every((row) => ['string', 'number', 'boolean'].includes(typeof row[name])))
  const field = answerFields.find((name) => common.includes(name))
  if (field === undefined) return checkOfObject(rows, common)
  const compare = rows.every((row) => isNumber(row[field])) ? 'number' : 'text'
  const longest = longestOf(rows.map((row) => String(row[field])))
  return compare === 'text' && longest > longestCompared ? { answers: field } : { check: { fields: [field], compare, longest } }
}

/** Where prompts ask for JSON: the fields that they name, or all. Others, such as a row's id, are none of the answer's. */
function checkOfObject(rows: readonly RawRow[], common: readonly string[]): Pick<DataFacts, 'check'> {
  const prompts = rows.map((row) => JSON.stringify(promptOf(row)))
  if (common.length === 0 || !prompts.every((prompt) => /\bjson\b/i.test(prompt))) return {}
  const named = common.filter((name) => prompts.every((prompt) => prompt.includes(name)))
  const fields = named.length > 0 ? named : common
  const longest = longestOf(rows.map((row) => JSON.stringify(Object.fromEntries(fields.map((name) => [name, row[name]])))))
  return { check: { fields, compare: 'json', longest } }
}

/** Whether a grader's place can name it: dots lead further down. */
function isPlaceable(name: string): boolean {
  return !/[.{}]/.test(name) && name === name.trim() && name !== ''
}

function longestOf(texts: readonly string[]): number {
  return texts.reduce((longest, { length }) => Math.max(longest, length), 0)
}

/** What the grader `number` reads: the last number, or what follows ####. */
function isNumber(value: unknown): boolean {
  return /^\s*[$€£]?-?[\d,]*\.?\d+%?\s*$/.test(String(value).split('####').at(-1)!)
}
