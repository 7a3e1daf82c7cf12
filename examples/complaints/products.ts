/** What customers bought, what went wrong with it, and what they want. */

export interface Issue {
  /** In the customer's words, as a sentence. */
  readonly told: string
  /** As a clause for the support desk. */
  readonly summary: string
  /** Beginnings of words, one of which a summary of the issue contains. */
  readonly keys: readonly string[]
}

export interface Product {
  readonly name: string
  readonly issues: readonly Issue[]
}

export interface Remedy {
  /** In the customer's words, as a sentence. */
  readonly told: readonly string[]
  /** After "asks for". */
  readonly summary: string
  readonly keys: readonly string[]
}

const issue = (told: string, summary: string, ...keys: string[]): Issue => ({ told, summary, keys })

export const trained: readonly Product[] = [
  { name: 'kettle', issues: [
    issue('It leaks from the base as soon as I fill it', 'the kettle leaks from the base', 'leak'),
    issue('The lid does not close any more', 'the lid of the kettle does not close', 'lid'),
  ] },
  { name: 'vacuum cleaner', issues: [
    issue('It switches itself off after a minute', 'the vacuum cleaner switches off after a minute', 'switch', 'turn', 'shut'),
    issue('The hose has a tear near the handle', 'the hose of the vacuum cleaner is torn', 'hose'),
  ] },
  { name: 'office chair', issues: [
    issue('One of the wheels broke when I sat down', 'a wheel of the office chair broke', 'wheel'),
    issue('It sinks all the way down while I work', 'the office chair sinks while in use', 'sink', 'sank'),
  ] },
  { name: 'desk lamp', issues: [
    issue('The light flickers all evening', 'the light of the desk lamp flickers', 'flicker'),
    issue('The arm will not stay up', 'the arm of the desk lamp does not stay up', 'arm'),
  ] },
  { name: 'coffee machine', issues: [
    issue('There is mold in the water tank', 'the water tank of the coffee machine has mold', 'mold'),
    issue('The coffee comes out cold', 'the coffee machine makes cold coffee', 'cold'),
  ] },
  { name: 'backpack', issues: [
    issue('The zipper came off on the second day', 'the zipper of the backpack came off', 'zip'),
    issue('A strap has ripped at the seam', 'a strap of the backpack ripped', 'strap'),
  ] },
  { name: 'blender', issues: [
    issue('The blades do not spin at all', 'the blades of the blender do not spin', 'blade'),
    issue('It smells of burnt rubber when I use it', 'the blender smells of burnt rubber', 'smell', 'burn'),
  ] },
  { name: 'rain jacket', issues: [
    issue('Water comes through the shoulders', 'the rain jacket lets water through', 'water'),
    issue('The size on the label is wrong and it is far too small', 'the rain jacket is too small', 'small', 'size'),
  ] },
  { name: 'hair dryer', issues: [
    issue('Sparks flew out of the plug', 'the plug of the hair dryer gave off sparks', 'spark'),
    issue('It only blows cold air', 'the hair dryer only blows cold air', 'cold'),
  ] },
  { name: 'suitcase', issues: [
    issue('The lock is jammed and I cannot open it', 'the lock of the suitcase is jammed', 'lock', 'jam'),
    issue('The shell cracked on the first flight', 'the shell of the suitcase cracked', 'crack', 'shell'),
  ] },
  { name: 'tent', issues: [
    issue('Two of the poles were missing', 'two poles of the tent were missing', 'pole'),
    issue('The floor lets the rain in', 'the floor of the tent lets rain in', 'floor', 'rain'),
  ] },
  { name: 'keyboard', issues: [
    issue('The space bar sticks', 'the space bar of the keyboard sticks', 'space bar', 'stick'),
    issue('It loses the connection every few minutes', 'the keyboard loses its connection', 'connect'),
  ] },
  { name: 'printer', issues: [
    issue('It jams on every second page', 'the printer jams on every second page', 'jam', 'page'),
    issue('It does not find the wireless network', 'the printer does not find the network', 'network', 'wireless'),
  ] },
  { name: 'phone case', issues: [
    issue('The colour rubs off on my hands', 'the colour of the phone case rubs off', 'colour', 'color', 'rub'),
    issue('It does not fit the phone it was sold for', 'the phone case does not fit the phone', 'fit'),
  ] },
]

/** Products whose complaints are never trained. */
export const heldOut: readonly Product[] = [
  { name: 'toaster', issues: [
    issue('It burns one side of the bread and leaves the other white', 'the toaster burns one side of the bread', 'burn'),
    issue('The lever does not stay down', 'the lever of the toaster does not stay down', 'lever'),
  ] },
  { name: 'wall clock', issues: [
    issue('It runs ten minutes slow each day', 'the wall clock runs slow', 'slow'),
    issue('The glass was broken when I opened the box', 'the glass of the wall clock was broken', 'glass', 'broken'),
  ] },
  { name: 'headset', issues: [
    issue('The left side is silent', 'the left side of the headset is silent', 'left', 'silent'),
    issue('The microphone picks up nothing but noise', 'the microphone of the headset only gives noise', 'microphone', 'noise'),
  ] },
  { name: 'bicycle pump', issues: [
    issue('The valve does not hold any air', 'the valve of the bicycle pump does not hold air', 'valve', 'air'),
    issue('The handle bent at the first push', 'the handle of the bicycle pump bent', 'handle', 'bent'),
  ] },
]

/** What can happen to the order of any product. */
export function orderIssues(product: string): readonly Issue[] {
  return [
    issue('It arrived a week after the promised day', `the ${product} arrived a week late`, 'late', 'week'),
    issue('You charged my card twice', `the card was charged twice for the ${product}`, 'charge', 'twice'),
    issue('The parcel was empty when I opened it', `the parcel of the ${product} was empty`, 'empty'),
  ]
}

export const remedies: readonly Remedy[] = [
  { summary: 'a refund', keys: ['refund', 'money back'],
    told: ['I want my money back', 'Please refund the full price', 'Just give me a refund and we are done'] },
  { summary: 'a replacement', keys: ['replace', 'new one'],
    told: ['Send me a replacement', 'I would like a new one in its place', 'Please replace it'] },
  { summary: 'a repair', keys: ['repair', 'fix'],
    told: ['I would like to have it repaired', 'Can somebody fix it?', 'I am asking for a repair'] },
  { summary: 'a return label', keys: ['label', 'return'],
    told: ['Send me a return label', 'I need a label so that I can send it back', 'How do I get a return label?'] },
  { summary: 'a call back', keys: ['call', 'phone'],
    told: ['Somebody should call me back', 'Please phone me about this', 'I expect a call from your team'] },
  { summary: 'a discount', keys: ['discount'],
    told: ['I think a discount would be fair', 'Give me a discount for the trouble', 'A discount on my next order would help'] },
]
