-- severity: block
-- en: Every row that was read since the last release is accounted for in its receipt.
-- vi: Mọi dòng đã đọc kể từ bản phát hành trước đều được kê trong biên nhận.
SELECT
    source,
    max(greatest(
        abs(read - (landed + same + unreadable)),
        abs(derived - (inserted + updated + unchanged + superseded + folded + quarantined))
    )) AS found,
    0 AS allowed
FROM receipts
WHERE kind = 'sync' AND status <> 'failed' AND entity IS NOT NULL
GROUP BY source
HAVING found > 0
