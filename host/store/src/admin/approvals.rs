//! Answers to questions.

use shopwright_model::{Millis, RunId};

use crate::{
    error::Result,
    ops::{ApprovalRow, MessageRow},
    sql::{Statement, args},
    store::Store,
};

/// Makes the waiting run of a question active, if the question is as the rest of the text says.
macro_rules! wake {
    () => {
        "UPDATE runs SET state = 'active', node = NULL, fence = fence + 1, due_at = NULL, updated_at = ? \
         WHERE state = 'waiting' AND id IN (SELECT run FROM approvals WHERE id = ? AND shop = ? AND "
    };
}

impl Store {
    /// Answers an open (or escalated) question; the run that waits for it becomes active in the same
    /// transaction, for whoever claims it. Gives that run; none: there is no such question, or it has
    /// been answered or has expired.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn approval_answer(
        &self,
        shop: &str,
        id: &str,
        choice: &str,
        by: &str,
        now: Millis,
    ) -> Result<Option<RunId>> {
        let statement = Statement::new(
            "UPDATE approvals SET state = 'answered', choice = ?, answered_by = ?, answered_at = ? \
             WHERE id = ? AND shop = ? AND state IN ('open', 'escalated') RETURNING run",
            args![choice, by, now, id, shop],
        );
        let wake =
            Statement::new(concat!(wake!(), "state = 'answered' AND answered_at = ?)"), args![now, id, shop, now]);
        let rows = self.write(vec![statement, wake]).await?;
        rows.first().and_then(|rows| rows.first()).map(|row| row.int(0).map(RunId)).transpose()
    }

    /// Changes an open (or escalated) question: passes it on, with a message about it, or lets it expire; then
    /// the run that waits for it becomes active in the same transaction. Whether it still was open.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn approval_update(&self, row: ApprovalRow, now: Millis, message: Option<MessageRow>) -> Result<bool> {
        let wake = Statement::new(concat!(wake!(), "state = 'expired')"), args![now, row.id.clone(), row.shop.clone()]);
        // Only if this call passed it on: somebody may have answered before.
        let message = message.map(|message| {
            Statement::new(
                "INSERT INTO messages (id, shop, channel, recipient, customer, subject, text, html, at, run, seq) \
                 SELECT ?, shop, ?, ?, ?, ?, ?, ?, ?, run, ? FROM approvals \
                 WHERE id = ? AND shop = ? AND state = 'escalated' AND deadline_at = ?",
                args![
                    message.id,
                    message.channel,
                    message.recipient,
                    message.customer,
                    message.subject,
                    message.text,
                    message.html,
                    message.at,
                    message.seq,
                    row.id.clone(),
                    row.shop.clone(),
                    row.deadline_at
                ],
            )
        });
        let statement = Statement::new(
            "UPDATE approvals SET state = ?, asked = ?, escalate_to = ?, deadline_at = ?, choice = ?, answered_by = ?, \
             answered_at = ? WHERE id = ? AND shop = ? AND state IN ('open', 'escalated') RETURNING id",
            args![
                row.state,
                row.asked,
                row.escalate_to,
                row.deadline_at,
                row.choice,
                row.answered_by,
                row.answered_at,
                row.id,
                row.shop
            ],
        );
        let statements = [statement, wake].into_iter().chain(message).collect();
        Ok(self.write(statements).await?.first().is_some_and(|rows| !rows.is_empty()))
    }
}
