import { UserError } from '../errors.ts'
import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import { parseRows } from './read.ts'
import type { Located } from './read.ts'
import { renderRow, truncateRow } from './render.ts'
import type { RenderOptions, RenderedRow } from './render.ts'
import { sftRowKinds } from './rows.ts'
import type { SftRow } from './rows.ts'

/** Something about one row that its owner should know. */
export interface Finding {
  readonly where: string
  /** `error`: training refuses the file. `warning`: it goes on, perhaps not as meant. */
  readonly severity: 'error' | 'warning'
  readonly problem: string
}

/** Tokens of the rows as they are trained, after `maxLength`. */
export interface TokenStatistics {
  readonly total: number
  /** Of these, the ones that carry loss. */
  readonly loss: number
  /** Tokens of one row, before `maxLength`. */
  readonly shortest: number
  readonly median: number
  /** Nineteen rows of twenty are not longer. */
  readonly percentile95: number
  readonly longest: number
}

/** What is in a data file, and what is wrong with it, in the order of its lines. */
export interface DataReport {
  readonly file: string
  /** Name of the kind of rows; undefined where no row is of a known kind. */
  readonly kind: string | undefined
  /** Rows in the file, also those that cannot be used. */
  readonly rows: number
  /** Rows that training would take. */
  readonly usable: number
  readonly findings: readonly Finding[]
  readonly truncated: number
  /** Rows of which `maxLength` leaves no token that carries loss. */
  readonly dropped: number
  readonly duplicates: number
  /** Only where a tokenizer was given. */
  readonly tokens: TokenStatistics | undefined
}

export interface CheckOptions extends RenderOptions {
  readonly maxLength?: number
}

/**
 * Checks a data file row by row. With a tokenizer also lengths, masks and cuts are checked, as training makes them.
 * Throws a UserError only where the file as a whole cannot be read.
 */
export async function checkData(file: string, tokenizer?: Tokenizer, options: CheckOptions = {}): Promise<DataReport> {
  const { kind, entries } = await parseRows(file, sftRowKinds)
  const twins = new TwinFinder()
  const lengths = new LengthCheck(tokenizer, options)
  const findings = entries.flatMap((entry): Finding[] => {
    if (!('row' in entry)) return [{ ...entry, severity: 'error' }]
    return [...emptyTurns(entry), ...twins.check(entry), ...typedControlTokens(entry, tokenizer), ...lengths.check(entry)]
  })
  const failed = new Set(findings.filter(finding => finding.severity === 'error').map(finding => finding.where))
  return {
    file,
    kind: kind?.name,
    rows: entries.length,
    usable: entries.length - failed.size - lengths.dropped,
    findings,
    truncated: lengths.truncated,
    dropped: lengths.dropped,
    duplicates: twins.found,
    tokens: lengths.statistics(),
  }
}

function emptyTurns({ where, row }: Located<SftRow>): Finding[] {
  const empty = learnedTexts(row).some(text => text.trim() === '')
  return empty ? [{ where, severity: 'warning', problem: 'an assistant turn is empty: the model would learn to say nothing' }] : []
}

/** Text in which the model's own control tokens are written out: often a conversation that was rendered twice. */
function typedControlTokens({ where, row }: Located<SftRow>, tokenizer: Tokenizer | undefined): Finding[] {
  const typed = allTexts(row).map(text => tokenizer?.findControl(text)).find(token => token !== undefined)
  if (typed === undefined) return []
  return [{
    where,
    severity: 'warning',
    problem: `the text has "${typed}" in it, which is trained as plain characters; the chat template adds control tokens by itself`,
  }]
}

/** Finds rows that say the same but for case and white space. */
class TwinFinder {
  found = 0
  readonly #first = new Map<string, string>()

  check({ where, row }: Located<SftRow>): Finding[] {
    const key = JSON.stringify(row, (_, value: unknown) => (typeof value === 'string' ? normalized(value) : value))
    const twin = this.#first.get(key)
    if (twin === undefined) {
      this.#first.set(key, where)
      return []
    }
    this.found++
    return [{ where, severity: 'warning', problem: `says the same as ${twin}` }]
  }
}

function normalized(text: string): string {
  return text.normalize('NFKC').toLowerCase().replaceAll(/\s+/g, ' ').trim()
}

/** Renders rows as training does and keeps count of their tokens. */
class LengthCheck {
  truncated = 0
  dropped = 0
  readonly #tokenizer: Tokenizer | undefined
  readonly #options: CheckOptions
  readonly #lengths: number[] = []
  #total = 0
  #loss = 0

  constructor(tokenizer: Tokenizer | undefined, options: CheckOptions) {
    this.#tokenizer = tokenizer
    this.#options = options
  }

  check({ where, row }: Located<SftRow>): Finding[] {
    if (this.#tokenizer === undefined) return []
    const { maxLength = Infinity } = this.#options
    let whole: RenderedRow
    try {
      whole = renderRow(row, this.#tokenizer, this.#options)
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      return [{ where, severity: 'error', problem: error.message }]
    }
    const cut = truncateRow(whole, maxLength)
    const [loss, kept] = [countLoss(whole), countLoss(cut)]
    this.#lengths.push(whole.ids.length)
    if (cut !== whole) this.truncated++
    if (kept === 0) {
      this.dropped++
      return [{ where, severity: 'warning', problem: this.#lostText(whole, loss) }]
    }
    this.#total += cut.ids.length
    this.#loss += kept
    if (cut === whole) return []
    const end = loss === kept ? 'none of which carry loss' : `${loss - kept} of the ${loss} that carry loss among them`
    const problem = `${whole.ids.length} tokens, cut to ${maxLength}: ${whole.ids.length - maxLength} are lost, ${end}`
    return [{ where, severity: 'warning', problem }]
  }

  statistics(): TokenStatistics | undefined {
    const sorted = this.#lengths.toSorted((a, b) => a - b)
    if (sorted.length === 0) return undefined
    const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
    return {
      total: this.#total,
      loss: this.#loss,
      shortest: at(0),
      median: at(0.5),
      percentile95: at(0.95),
      longest: at(1),
    }
  }

  #lostText({ ids }: RenderedRow, loss: number): string {
    return `${ids.length} tokens, cut to ${this.#options.maxLength}: all ${loss} that carry loss are lost, so the row is left out`
  }
}

function countLoss({ mask }: RenderedRow): number {
  return mask.reduce((sum, carries) => sum + carries, 0)
}

function learnedTexts(row: SftRow): string[] {
  const turns = 'messages' in row ? row.messages : row.completion
  if (typeof turns === 'string') return [turns]
  return turns.filter(turn => turn.role === 'assistant').map(turn => turn.content)
}

function allTexts(row: SftRow): string[] {
  const turns = 'messages' in row ? [row.messages] : [row.prompt, row.completion]
  return turns.flatMap(part => (typeof part === 'string' ? [part] : part.map(turn => turn.content)))
}
