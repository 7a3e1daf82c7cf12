/** What is said in the Studio of answers, as the API takes it. */
import { call } from '../../api/client.ts'
import type {
  WireFeedback, WireFeedbackBatch, WireInboxFilter, WireInboxItem, WireLabelled,
} from '../../../../src/server/routes/inbox-wire.ts'

type Judged = Pick<WireInboxItem, 'id' | 'user' | 'feedback'>

/**
 * Who speaks in the Studio. An answer that a known user got is judged beside that user's own words, which stay theirs; where no user is
 * known, the Studio's word takes the place of what was said before, the playground's too.
 */
const speaker = 'studio'

function speakerFor({ user }: Judged): { readonly user?: string } {
  return user === null ? {} : { user: speaker }
}

export async function say(item: Judged, index: number, name: string, value: unknown): Promise<void> {
  await call('/v1/feedback', { body: { completion_id: item.id, choice_index: index, name, value, tags: { via: 'inbox' }, ...speakerFor(item) } })
}

/** Says it of the first answer of each, in one write. @throws Error where one was refused */
export async function sayOfAll(items: readonly Judged[], name: string, value: unknown): Promise<void> {
  const said = items.map((item) => ({
    completion_id: item.id, name, value, tags: { via: 'inbox' }, idempotency_key: crypto.randomUUID(), ...speakerFor(item),
  }))
  for (let start = 0; start < said.length; start += 1000) {
    const { results, failed } = await call<WireFeedbackBatch>('/v1/feedback/batch', { body: { items: said.slice(start, start + 1000) } })
    const first = results.find((result) => result.status === 'failed')
    if (first !== undefined) throw new Error(`${failed} were refused; the first: ${first.error.message}`)
  }
}

/** Says it of all that the filter lets through, of those that were there when they were counted. */
export async function sayOfMatching(filter: WireInboxFilter, expected: number, name: string, value: unknown): Promise<WireLabelled> {
  return await call<WireLabelled>('/v1/inbox/label', {
    body: { filter, expected, name, value, tags: { via: 'inbox' }, user: speaker, idempotency_key: crypto.randomUUID() },
  })
}

/** Removes what was said. */
export async function withdraw(feedback: WireFeedback): Promise<void> {
  await call(`/v1/feedback/${encodeURIComponent(feedback.id)}`, { method: 'DELETE' })
}

/** The Studio's own thumb on an answer, where there is one: the same again takes it back. */
export function ownThumb(item: Judged, index: number): WireFeedback | undefined {
  return item.feedback.find(({ name, superseded, choice_index: of, tags }) =>
    name === 'thumbs' && !superseded && of === index && (tags['via'] === 'inbox' || tags['via'] === 'playground'))
}

/** Says a thumb, or takes it back where it is there already. @returns what was done, in words */
export async function toggleThumb(item: Judged, index: number, value: boolean): Promise<string> {
  const own = ownThumb(item, index)
  if (own?.value === value) {
    await withdraw(own)
    return 'The thumb is taken back.'
  }
  await say(item, index, 'thumbs', value)
  return value ? 'Thumb up.' : 'Thumb down.'
}
