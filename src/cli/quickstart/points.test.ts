import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openGrader } from '../../evaluate/graders/index.ts'
import { openSupportDesk } from './desk.ts'
import { judgeSummary } from './judge.ts'
import { factPatterns, pointsGrader } from './points.ts'

/** What SmolLM2 and its adapters answered to the held-out complaints: the complaint's number, and a summary. */
const answers = JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/summaries.json'), 'utf8')) as readonly (readonly [number, string])[]

/** Summaries that are near the rule's edges. */
const edges = [
  '', ' ', '.', ' .', 'A.', '\n\nThe customer asks.\n', 'The customer\nasks.', 'Two. Sentences.', 'No full stop', 'Sorry!', 'SORRY.', 'An usual issue.', 'Use it.',
  'the OFFICE\nCHAIR is empty, money\u00a0back', 'an office-chair, charged twice; replacement', 'officechair', 'noffice chair', 'offices chairs', 'Her mine.', 'Miner. ',
  `${'word '.repeat(29)}word.`, `${'word '.repeat(30)}word.`, `${'word '.repeat(30)}.`, '\u2028The customer asks.', 'Ask me', 'Kİck.', 'The customer’s new-one.',
]

test('the grader gives the points of the judge, answer by answer', async () => {
  const { heldOut } = await openSupportDesk()
  const cases = [...answers, ...edges.flatMap((text) => [0, 1, 2, 3].map((i) => [i, text] as const))]
  const grader = await openGrader(pointsGrader)
  try {
    const grades = await grader.grade(cases.map(([i, output]) => ({ item: factPatterns(heldOut[i]!.facts), output })))
    for (const [at, { reward, components }] of grades.entries()) {
      const [i, text] = cases[at]!
      assert.equal(reward, judgeSummary(text, heldOut[i]!.facts), `${JSON.stringify(text)}: ${JSON.stringify(components)}`)
    }
    assert.ok(new Set(grades.map(({ reward }) => reward)).size === 6, 'each number of points occurs')
  } finally {
    await grader.close()
  }
})
