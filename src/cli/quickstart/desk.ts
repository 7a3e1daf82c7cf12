/** The support desk of examples/complaints: its log, its customers' complaints, and an agent who says what a summary is worth. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { dataKinds } from '../../data/kinds.ts'
import { readRows } from '../../data/read.ts'
import type { Message } from './client.ts'
import { judgeSummary, type Facts } from './judge.ts'

export interface Complaint {
  readonly messages: Message[]
  readonly facts: Facts
}

export interface SupportDesk {
  /** JSONL of past complaints and the summaries that were written; four in ten are good. */
  readonly log: Uint8Array<ArrayBuffer>
  /** More of the log, to compare adapters on. */
  readonly heldOutLog: Uint8Array<ArrayBuffer>
  /** What customers write while the product runs. */
  readonly complaints: readonly Complaint[]
  /** What nothing is trained on: here models are measured. */
  readonly heldOut: readonly Complaint[]
}

/** Who gives the feedback, for everything that is shown of it. */
export const simulatedAgents =
  'The support agents are simulated, by a stated rule: a fifth of a point each for the product, the issue, the remedy, one sentence and a ' +
  'neutral voice. Of two summaries they choose the one with more points; a summary with all five gets a thumb up.'

/** The folders of the examples, the same for the sources and the built package. */
const examples = fileURLToPath(new URL('../../../examples/', import.meta.url))

export async function openSupportDesk(): Promise<SupportDesk> {
  const [log, general, heldOutLog] = await Promise.all(
    ['complaints/sft.jsonl', 'icd10/replay.jsonl', 'complaints/sft-heldout.jsonl'].map((file) => readFile(examples + file)),
  )
  return {
    // Forty general rows, so that the base keeps what it knew.
    log: Buffer.concat([log!, general!]),
    heldOutLog: Buffer.from(heldOutLog!),
    complaints: await readComplaints('complaints/prompts.jsonl'),
    heldOut: await readComplaints('complaints/heldout.jsonl'),
  }
}

async function readComplaints(file: string): Promise<Complaint[]> {
  const rows = await readRows(examples + file, dataKinds.prompts.rows)
  return rows.map(({ row: { prompt, ...facts } }) => ({ messages: prompt as Message[], facts: facts as unknown as Facts }))
}

/** An agent's points for a summary, from 0 to 1. */
export function points(summary: string, { facts }: Complaint): number {
  return judgeSummary(summary, facts)
}
