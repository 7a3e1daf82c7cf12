import { call } from '../../api/client.ts'

export type FeedbackName = 'thumbs' | 'correction' | 'comment' | 'choice'

/** Stores what was said of an answer. @param blind whether the models' names were hidden @returns the feedback's id */
export async function say(completion: string, name: FeedbackName, value: unknown, blind = false): Promise<string> {
  const tags = { via: 'playground', ...(blind && { blind: 'true' }) }
  const { id } = await call<{ readonly id: string }>('/v1/feedback', { body: { completion_id: completion, name, value, tags } })
  return id
}

/** Removes what was said. */
export async function takeBack(feedback: string): Promise<void> {
  await call(`/v1/feedback/${encodeURIComponent(feedback)}`, { method: 'DELETE' })
}
