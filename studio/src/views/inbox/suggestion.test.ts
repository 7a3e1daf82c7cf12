import assert from 'node:assert/strict'
import { test } from 'node:test'
import { datasetBody } from '../../../../src/feedback/dataset-spec.ts'
import type { WireInboxCounts } from '../../../../src/server/routes/inbox-wire.ts'
import { suggestedKind, suggestedName } from './suggestion.ts'

const names = ['completions', 'unlabelled', 'thumbs_up', 'thumbs_down', 'ratings', 'corrections', 'choices', 'comments'] as const

function counts(some: Partial<Record<(typeof names)[number], number>>): WireInboxCounts {
  const all = Object.fromEntries(names.map((name) => [name, { count: some[name] ?? 0, exact: true }]))
  return { object: 'inbox.counts', searched: null, ...all } as WireInboxCounts
}

test('the kind is the one of which there is most', () => {
  const cases: readonly [some: Parameters<typeof counts>[0], kind: string][] = [
    [{}, 'prompts'], [{ completions: 9, unlabelled: 9 }, 'prompts'], [{ thumbs_up: 5, thumbs_down: 4 }, 'labelled'], [{ thumbs_up: 5 }, 'sft'],
    [{ thumbs_down: 5 }, 'labelled'], [{ corrections: 3, thumbs_up: 9 }, 'pairs'], [{ corrections: 3, thumbs_up: 9, thumbs_down: 8 }, 'labelled'],
    [{ choices: 1 }, 'pairs'], [{ ratings: 3 }, 'sft'], [{ comments: 3 }, 'prompts'],
  ]
  for (const [some, kind] of cases) assert.equal(suggestedKind(counts(some)), kind, JSON.stringify(some))
})

test('the name is one that a dataset may have', () => {
  for (const alias of ['support-bot', 'a/b:c@d', '../..', '名前', 'x'.repeat(300)]) {
    const name = suggestedName({ alias }, 'pairs')
    assert.ok(datasetBody.safeParse({ name, kind: 'pairs' }).success, name)
  }
  assert.equal(suggestedName({ alias: 'support-bot' }, 'sft'), 'support-bot-sft')
  assert.equal(suggestedName({ tags: { team: 'billing' } }, 'labelled'), 'billing-labelled')
  assert.equal(suggestedName({}, 'prompts'), 'feedback-prompts')
})
