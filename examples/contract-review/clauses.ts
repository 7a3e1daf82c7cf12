/** The clauses that the example reviews: who must act, within how many days, in whose words. */

export type Kind = 'termination' | 'payment' | 'delivery' | 'renewal'
export type Party = 'customer' | 'supplier' | 'either'
export type Risk = 'low' | 'medium' | 'high'

/** The answer that is asked for. */
export interface Review {
  readonly clause: Kind
  /** Who must act, or may. */
  readonly party: Party
  readonly days: number
  readonly risk: Risk
}

/** A clause whose period is left open. */
export interface Wording extends Pick<Review, 'clause' | 'party'> {
  readonly text: (period: string) => string
}

/** The shorter a period, the easier it is missed: below 15 days high, from 15 to 45 medium, above 45 low. */
export function riskOf(days: number): Risk {
  if (days < 15) return 'high'
  return days <= 45 ? 'medium' : 'low'
}

export const trained: readonly Wording[] = [
  { clause: 'termination', party: 'either', text: p => `Either party may terminate this Agreement by giving ${p} written notice to the other.` },
  { clause: 'termination', party: 'customer', text: p => `The Customer may terminate this Agreement at any time on ${p} notice.` },
  { clause: 'termination', party: 'supplier', text: p => `The Supplier may end this Agreement with ${p} notice if an invoice stays unpaid.` },
  { clause: 'termination', party: 'customer', text: p => `If the service levels are missed twice, the Customer is free to terminate with ${p} notice.` },
  { clause: 'payment', party: 'customer', text: p => `The Customer shall pay each invoice within ${p} of receipt.` },
  { clause: 'payment', party: 'customer', text: p => `Fees are invoiced monthly. Payment by the Customer is due ${p} after the invoice date.` },
  { clause: 'payment', party: 'supplier', text: p => `The Supplier shall refund any overpayment within ${p} of the Customer's request.` },
  { clause: 'delivery', party: 'supplier', text: p => `The Supplier shall deliver the goods within ${p} of the order.` },
  { clause: 'delivery', party: 'supplier', text: p => `Delivery takes place at the warehouse in Utrecht. The Supplier has ${p} from each order to deliver.` },
  { clause: 'delivery', party: 'customer', text: p => `The Customer shall collect the delivered goods within ${p}; after that, storage is charged.` },
  { clause: 'renewal', party: 'customer', text: p => `The term renews for one year unless the Customer objects ${p} before it ends.` },
  { clause: 'renewal', party: 'either', text: p => `This Agreement renews automatically for 12 months unless either party gives notice ${p} before the end of the term.` },
  { clause: 'renewal', party: 'supplier', text: p => `The Supplier may decline the renewal of the term ${p} before it expires.` },
  { clause: 'renewal', party: 'customer', text: p => `Renewal for a further year is at the Customer's choice, to be made ${p} before the last day.` },
]

/** Wordings that are never trained. */
export const heldOut: readonly Wording[] = [
  { clause: 'termination', party: 'either', text: p => `Each of the parties, either of them for any reason, can terminate upon ${p} notice in writing.` },
  { clause: 'termination', party: 'supplier', text: p => `Should the Customer fail to pay, termination by the Supplier takes effect after ${p} notice.` },
  { clause: 'payment', party: 'customer', text: p => `All invoices are payable by the Customer no later than ${p} after they are issued.` },
  { clause: 'payment', party: 'customer', text: p => `The Customer agrees to a payment term of ${p}, counted from the day of the invoice.` },
  { clause: 'delivery', party: 'supplier', text: p => `Orders leave the Supplier's plant so that delivery happens within ${p}.` },
  { clause: 'delivery', party: 'supplier', text: p => `Time for delivery: the Supplier brings the goods to the site ${p} after the order is confirmed.` },
  { clause: 'delivery', party: 'customer', text: p => `The Customer shall unload each delivery within ${p} and return the pallets.` },
  { clause: 'renewal', party: 'customer', text: p => `To prevent renewal for another year, the Customer must write to the Supplier ${p} ahead of the expiry date.` },
  { clause: 'renewal', party: 'either', text: p => `Renewal is automatic; either party can stop it by a letter sent ${p} before the term is over.` },
]
