/** Rows of an uploaded file become those of a dataset: of a version a part is held out, and its rows can be edited. */
import type { Parsed } from '../data/read.ts'
import type { MessagesRow, Turns } from '../data/rows.ts'
import { shortList, UserError } from '../errors.ts'
import { breathing } from './breathing.ts'
import { questionOf, type Candidate } from './dataset-rows.ts'
import type { DatasetKind } from './dataset-spec.ts'
import { sha256 } from './record.ts'
import type { Redactor } from './redact.ts'

/** The rows of a file, block by block, in their order: all of the dataset's kind. */
export type UploadedRows = AsyncIterable<readonly Parsed<Candidate['row']>[]>

/** @throws UserError that names the rows that cannot be used: then there is no dataset */
export async function fileCandidates(uploaded: UploadedRows, kind: DatasetKind, redactor: Redactor): Promise<Candidate[]> {
  const rows: Candidate[] = []
  const faults: string[] = []
  const pause = breathing()
  for await (const block of uploaded) {
    for (const entry of block) {
      await pause()
      if ('problem' in entry) faults.push(`${entry.where}: ${entry.problem}`)
      else if (faults.length === 0) rows.push(fileCandidate(await redactor.value(entry.row), entry.where, kind))
    }
  }
  if (faults.length > 0) throw new UserError(shortList(faults))
  return rows
}

function fileCandidate(row: Candidate['row'], where: string, kind: DatasetKind): Candidate {
  const prompt = promptOf(row, kind)
  // Rows of a file know of no conversation: those with the same prompt are taken for one.
  const hash = sha256(JSON.stringify(prompt))
  return {
    row, where, origin: 'file', completionId: null, feedbackId: null, userId: null, conversationId: hash, promptHash: hash, question: questionOf(prompt),
  }
}

/** What a row answers: of a conversation all before its last answer. */
function promptOf(row: Candidate['row'], kind: DatasetKind): Turns {
  if (kind !== 'sft' || !('messages' in row)) return (row as { readonly prompt: Turns }).prompt
  const { messages } = row as MessagesRow
  return messages.slice(0, messages.findLastIndex(({ role }) => role === 'assistant'))
}
