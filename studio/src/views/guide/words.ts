/** The guide's plain words: for those who see all this for the first time. */
import type { Technique, Verdict } from '../../../../src/server/routes/guide-wire.ts'

export type Axis = Technique['axis']
export type RowKind = Technique['rows'][number]

/** The axes, in the order in which they are explained. */
export const axes: readonly { readonly id: Axis; readonly title: string; readonly about: string }[] = [
  {
    id: 'correctness', title: 'Correctness: more answers are right',
    about: 'Show the model what a right answer looks like. Facts, formats and domains are learned this way, from examples that somebody wrote or checked.',
  },
  {
    id: 'preference', title: 'Preference: people would rather have its answers',
    about: 'Tell the model which of its answers are better. Tone, helpfulness and judgement are hard to write down as examples, and easy to compare.',
  },
  {
    id: 'cost', title: 'Cost: what of the model is trained',
    about: 'Not what is learned, but how much of the model moves while it learns, and so how much memory and time that takes.',
  },
  {
    id: 'serving', title: 'Serving: many variants at once',
    about: 'What was trained has to answer. An adapter is small enough for hundreds of them to share one model.',
  },
  {
    id: 'safety', title: 'Safety of the base: what it knew before',
    about: 'A model that learns one thing can lose another. It is measured before and after every run, so that nobody is surprised.',
  },
]

/** A row of each kind, as a line of a file. All of them are about the same two questions. */
export const sampleRows: Readonly<Record<RowKind, string>> = {
  sft: '{"messages": [{"role": "user", "content": "My parcel is late."}, {"role": "assistant", "content": "I am sorry! Which order is it? I will look at once."}]}',
  pairs: '{"prompt": "My parcel is late.", "chosen": "I am sorry! Which order is it? I will look at once.", "rejected": "That can happen."}',
  labelled: '{"prompt": "My parcel is late.", "completion": "That can happen.", "label": false}',
  prompts: '{"prompt": "Three parcels of 1.20 kg: how heavy are they together?", "answer": "3.60"}',
}

export const kindNames: Readonly<Record<RowKind, string>> = { sft: 'demonstrations', pairs: 'pairs', labelled: 'thumbs', prompts: 'prompts' }

/** Words that the rest of the page uses as if everybody knew them. */
export const glossary: readonly (readonly [word: string, meaning: string])[] = [
  ['Base', 'The model as it was downloaded. It stays as it is.'],
  ['Adapter', 'What a job trains: small matrices beside the base’s. It is a few megabytes, and can be taken off again.'],
  ['Rank', 'The width of those matrices: how much an adapter can change.'],
  ['Held-out rows', 'Rows that are kept back from training, to measure on. Without them nobody knows whether it helped.'],
  ['Loss', 'How surprised the model is by the right answer. It falls while the model learns; on held-out rows it rises again when it learns by heart.'],
  ['Reference', 'The model as it was when the job began. Preference methods may only go so far from it: beta says how far.'],
  ['Reward', 'A number that a grader or a reward model gives to an answer. Reinforcement learning raises it.'],
  ['Alias', 'A name that apps ask for. It points to an adapter, and can be moved to a better one, or back.'],
]

/** What a measurement made of a claim: in words, and a tone beside them. */
export const verdicts: Readonly<Record<Verdict, { readonly text: string; readonly tone: 'good' | 'warn' | 'bad' | 'plain' }>> = {
  'holds': { text: 'Holds here', tone: 'good' },
  'partly': { text: 'Holds in part', tone: 'warn' },
  'does not hold': { text: 'Does not hold here', tone: 'bad' },
  'not measured': { text: 'Not measured', tone: 'plain' },
}
