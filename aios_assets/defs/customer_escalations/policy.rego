# What may be decided without a person, in the words of the business.
#
# The policy sees facts, not probabilities: `input.queue` is the predicted queue, `input.band` says how sure the model is
# (high, middle, low or none), `input.proposed` is the verdict by thresholds, costs and modes. Beside them stand
# `input.priority`, `input.channel`, `input.language`, the customer's plan, segment and autopay under `input.customer`, and
# `input.flags`. A fact that is not known is null or absent, and then a rule that needs it says nothing.
#
# It has the last word, and may only make a verdict more careful: automate -> draft -> review. Each rule has a name, which
# people read in the reason of a decision. Several may speak: then all of their names are given.
#
# `aios automation check` compiles this file and asks it for every queue. Answers must be the same whenever they are asked
# for, since decisions are replayed: clocks, random numbers and HTTP are refused.
package aios.policy

import rego.v1

# --- always a person ----------------------------------------------------------------------------------------------------

# A fraud report by a company is the start of an investigation, not a ticket to be sorted.
to_people contains "enterprise_fraud_to_people" if {
	input.queue == "fraud"
	input.customer.segment == "enterprise"
}

# Losing one of these customers costs more than a year of triage.
to_people contains "enterprise_cancellation_to_people" if {
	input.queue == "cancellation"
	input.customer.segment == "enterprise"
}

# Formal complaints have legal deadlines; an urgent one is read by a person at once.
to_people contains "urgent_complaint_to_people" if {
	input.queue == "complaint"
	input.priority == "urgent"
}

# --- a suggestion at most -----------------------------------------------------------------------------------------------

# The model has seen few texts in other languages; its certainty there is not worth as much.
at_most_draft contains "other_language_at_most_draft" if {
	is_string(input.language)
	not startswith(lower(input.language), "en")
}

# Whoever pays for the best plans is not moved about by a machine when they want to leave.
at_most_draft contains "premium_cancellation_at_most_draft" if {
	input.queue == "cancellation"
	input.customer.plan in {"premium", "business"}
}

# --- the answer ---------------------------------------------------------------------------------------------------------

decision := {"verdict": "review", "rule": concat("+", sort(to_people))} if {
	count(to_people) > 0
} else := {"verdict": "draft", "rule": concat("+", sort(at_most_draft))} if {
	count(at_most_draft) > 0
} else := {"verdict": input.proposed, "rule": "as_proposed"}

# --- what no draft may say ----------------------------------------------------------------------------------------------
#
# Asked of each sentence of a draft: `input.promises` (refund, credit, compensation, exception, discount, date), `input.topics` (legal,
# medical, financial, politics, security), `input.amounts`, `input.basis` (template, passage, customer, ticket, model), `input.cited`,
# beside `input.queue`, `input.language` and `input.customer`. A name in the set sends the case to a person, with the sentence marked.

# Only people bend rules, and only people say what a mistake is worth.
draft_forbids contains "only_people_make_exceptions" if {
	some promise in input.promises
	promise in {"exception", "compensation"}
	input.basis == "model"
}

# An article may explain what the law says. A machine may not say what it means for this customer.
draft_forbids contains "no_advice_by_a_machine" if {
	some topic in input.topics
	topic in {"legal", "medical", "financial", "politics"}
	input.basis == "model"
}

# Whoever asks for a password by mail is a thief, or teaches customers to believe one.
draft_forbids contains "never_ask_for_secrets" if {
	"security" in input.topics
}

# What a fraud costs, and who pays, is not said before somebody has looked into it.
draft_forbids contains "no_money_promised_in_fraud" if {
	input.queue == "fraud"
	some promise in input.promises
	promise in {"refund", "credit"}
}

# --- where an agent may look in, and what it may ask -----------------------------------------------------------------------
#
# Only where the automation declares `agents:`. `agent_may` sees the facts of a decision and its `input.verdict`; without it no agent runs.
# `agent_tool` is asked before every call: `input.tool`, `input.arguments` (whose customer or ticket: own, requester; which service),
# `input.queue`, `input.segment`. Where it says nothing, what is declared is allowed. Nobody else's records are ever read.

default agent_may := false

agent_may if {
	input.queue in {"billing", "outage", "roaming", "device", "activation", "plan_change"}
	input.customer.segment != "enterprise"
}

# What a customer wrote in other matters is not needed to tell them whether there is an outage.
agent_tool := {"allow": false, "rule": "only_this_ticket_in_outage"} if {
	input.tool == "read_ticket"
	input.queue == "outage"
	input.arguments.ticket == "requester"
}
