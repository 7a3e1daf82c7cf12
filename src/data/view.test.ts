import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { tokenizerFromDirectory } from '../models/tokenizer/tokenizer-directory.ts'
import type { AnyRow } from './check-texts.ts'
import { dataKinds, type DataKind, type DataKindName } from './kinds.ts'
import { renderTrees, type RenderedTree } from './tree.ts'
import { viewRow, type RowPart } from './view.ts'

const turn = (role: 'system' | 'user' | 'assistant', content: string) => ({ role, content })
const question = [turn('system', 'Be kind.'), turn('user', 'Où est-il? 🙂 <|im_end|>')]

const rows: Readonly<Record<DataKindName, readonly AnyRow[]>> = {
  sft: [
    { messages: [...question, turn('assistant', 'Là-bas.\nNo?'), turn('user', 'Sure?'), turn('assistant', 'Yes 🎉')] },
    { messages: [turn('user', 'a'), { ...turn('assistant', 'b'), weight: 0 }, turn('user', 'c'), turn('assistant', 'd')] },
    { prompt: 'two plain', completion: ' strings' },
  ],
  pairs: [{ prompt: question, chosen: [turn('assistant', 'the good one')], rejected: [turn('assistant', 'the bad one, and longer')] }],
  labelled: [{ prompt: question, completion: [turn('assistant', 'it is there')], label: false }],
  prompts: [{ prompt: question, answer: '4' }],
}

/** What is shown of each token, laid end to end. */
const perToken = (parts: readonly RowPart[], what: 'loss' | 'cut'): boolean[] =>
  parts.flatMap(({ runs }) => runs.flatMap((run) => new Array<boolean>(run.tokens).fill(run[what])))

const piecesOf = ({ stem, branches }: RenderedTree) => (stem.ids.length === 0 ? branches : [stem, ...branches])

for (const name of ['smollm', 'llama3', 'qwen2', 'mistral']) {
  const tokenizer = await tokenizerFromDirectory(join(import.meta.dirname, '..', 'models', 'fixtures', 'tokenizers', name))
  describe(name, () => {
    for (const [kind, samples] of Object.entries(rows) as [DataKindName, readonly AnyRow[]][]) {
      for (const [i, row] of samples.entries()) {
        test(`${kind} ${i}: the tokens and the mask that training has`, (t) => {
          const { render } = dataKinds[kind] as DataKind<AnyRow>
          let trained: RenderedTree
          try {
            trained = renderTrees([{ row, where: 'here' }], render, tokenizer, { maxLength: 4096 }).trees[0]!
          } catch (error) {
            // Some templates know no system turn: then there is nothing to see either.
            assert.throws(() => viewRow(row, kind, tokenizer, { maxLength: 4096 }), { message: (error as Error).message.replace('here: ', '') })
            t.diagnostic('cannot be rendered')
            return
          }
          const { parts, length, loss, truncated, dropped } = viewRow(row, kind, tokenizer, { maxLength: 4096 })
          const pieces = piecesOf(trained)
          const mask = pieces.flatMap((piece) => [...piece.mask].map((carries) => carries === 1))
          assert.deepEqual(perToken(parts, 'loss'), mask)
          assert.deepEqual(parts.map(({ tokens }) => tokens), pieces.map(({ ids }) => ids.length))
          if (pieces.length === 1) {
            assert.equal(parts[0]!.runs.map(({ text }) => text).join(''), tokenizer.decode([...pieces[0]!.ids], { control: true }))
          }
          assert.equal(length, trained.stem.ids.length + Math.max(0, ...trained.branches.map(({ ids }) => ids.length)))
          assert.deepEqual([loss, truncated, dropped], [mask.filter(Boolean).length, false, false])
        })
      }
    }
  })
}

const smollm = await tokenizerFromDirectory(join(import.meta.dirname, '..', 'models', 'fixtures', 'tokenizers', 'smollm'))

test('control tokens stand alone; the same characters in a text are a text', () => {
  const { parts: [{ runs } = { runs: [] }] } = viewRow(rows.sft[0]!, 'sft', smollm, { maxLength: 4096 })
  const controls = runs.filter(({ control }) => control)
  assert.ok(controls.every(({ text, tokens }) => tokens === 1 && /^<\|im_(start|end)\|>$/.test(text)))
  assert.equal(controls.length, 10)
  assert.ok(runs.some(({ text, control }) => !control && text.includes('🙂 <|im_end|>')))
  assert.deepEqual(runs.filter(({ loss }) => loss).map(({ text }) => text), ['Là-bas.\nNo?', '<|im_end|>', 'Yes 🎉', '<|im_end|>'])
})

test('what max_length cuts is shown as cut, and whether training leaves the row out', () => {
  for (const [kind, [row]] of Object.entries(rows) as [DataKindName, readonly AnyRow[]][]) {
    const { render } = dataKinds[kind] as DataKind<AnyRow>
    const { length } = viewRow(row!, kind, smollm, { maxLength: 4096 })
    const outcomes = new Set<string>()
    for (let maxLength = 2; maxLength <= length; maxLength++) {
      const { parts, loss, truncated, dropped } = viewRow(row!, kind, smollm, { maxLength })
      // A second row that always fits keeps renderTrees from refusing to train on nothing.
      const short = kind === 'prompts' ? { prompt: '' } : undefined
      const trained = attempt(() => renderTrees([{ row: row!, where: 'row' }, ...(short === undefined ? [] : [{ row: short, where: 'short' }])], render, smollm, { maxLength }))
      assert.equal(dropped, trained === undefined || trained.dropped.includes('row'), `${kind} ${maxLength}`)
      if (trained !== undefined && !dropped) {
        const kept = piecesOf(trained.trees[0]!)
        assert.equal(perToken(parts, 'cut').filter((cut) => !cut).length, kept.reduce((sum, { ids }) => sum + ids.length, 0))
        assert.equal(loss, kept.reduce((sum, { mask }) => sum + mask.filter((carries) => carries === 1).length, 0))
      }
      outcomes.add(`${truncated} ${dropped}`)
    }
    assert.ok(outcomes.has('true true') && outcomes.has('false false'), kind)
  }
})

function attempt<Result>(work: () => Result): Result | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
