-- severity: block
-- en: No night brings more than five times what the busiest of the last nights brought (from seven nights on).
-- vi: Không đêm nào mang về hơn năm lần đêm nhiều nhất trong các đêm gần đây (khi đã có bảy đêm).
WITH nights AS (
    SELECT source, entity, sync_id, max(ended_at) AS ended_at, sum(inserted + updated) AS rows
    FROM history
    WHERE kind = 'sync' AND status <> 'failed' AND entity IS NOT NULL
    GROUP BY source, entity, sync_id
),
usual AS (
    SELECT source, entity, 5 * max(rows) + 1000 AS allowed
    FROM nights
    WHERE sync_id NOT IN (SELECT sync_id FROM receipts)
    GROUP BY source, entity
    HAVING count(*) >= 7
)
SELECT nights.source, nights.entity AS "table", max(nights.rows) AS found, any_value(allowed) AS allowed
FROM nights
JOIN usual USING (source, entity)
WHERE sync_id IN (SELECT sync_id FROM receipts)
GROUP BY nights.source, nights.entity
HAVING found > any_value(allowed)
