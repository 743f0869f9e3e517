//! Answers to questions.

use shopwright_model::{Millis, RunId};

use crate::{
    error::Result,
    ops::ApprovalRow,
    sql::{Statement, args},
    store::Store,
};

impl Store {
    /// Answers an open (or escalated) question. Gives the run that waits for it and is to be woken;
    /// none: there is no such question, or it has been answered or has expired.
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
        self.write_one(statement).await?.first().map(|row| row.int(0).map(RunId)).transpose()
    }

    /// Changes an open (or escalated) question: passes it on or lets it expire. Whether it still was so.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn approval_update(&self, row: ApprovalRow) -> Result<bool> {
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
        Ok(!self.write_one(statement).await?.is_empty())
    }
}
