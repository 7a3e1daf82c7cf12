/** A session of the product: complaints come in, agents get two summaries of each and say which is better. */
import type { Progress } from '../progress.ts'
import type { Client } from './client.ts'
import { concurrently } from './concurrently.ts'
import { points, type Complaint } from './desk.ts'

/** What a session came to. */
export interface Session {
  readonly requests: number
  /** Pairs of summaries of which an agent preferred one; of the others both had the same points. */
  readonly choices: number
  readonly thumbs_up: number
}

/** Complaints that are under way at once. */
const width = 8

export interface SessionOptions {
  readonly model: string
  readonly progress: Progress
}

export async function holdSession(client: Client, complaints: readonly Complaint[], { model, progress }: SessionOptions): Promise<Session> {
  let done = 0
  const said = await concurrently(complaints, width, async (complaint, i) => {
    const heard = await handle(client, complaint, model, i)
    progress.update({ label: 'session', done: ++done, total: complaints.length, detail: 'complaints summarized twice and judged' })
    return heard
  })
  progress.end()
  return {
    requests: complaints.length,
    choices: said.filter(({ choice }) => choice).length,
    thumbs_up: said.reduce((sum, { thumbs }) => sum + thumbs, 0),
  }
}

interface Heard {
  readonly choice: boolean
  readonly thumbs: number
}

/** One complaint: two summaries, and what the agent says of them. */
async function handle(client: Client, complaint: Complaint, model: string, i: number): Promise<Heard> {
  const { id, choices } = await client.ask({
    model, messages: complaint.messages, n: 2, temperature: 0.9, max_completion_tokens: 64, seed: i,
    user: `agent-${i % 12}`, metadata: { product: 'complaint-summaries' },
  })
  const values = choices.map(({ message }) => points(message.content ?? '', complaint))
  const [first = 0, second = 0] = values
  if (first !== second) {
    const chosen = first > second ? 0 : 1
    await client.feedback(id, 'choice', { chosen, rejected: 1 - chosen }, chosen)
  }
  for (const [index, value] of values.entries()) if (value === 1) await client.feedback(id, 'thumbs', true, index)
  return { choice: first !== second, thumbs: values.filter((value) => value === 1).length }
}
