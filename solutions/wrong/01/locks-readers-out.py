# exercise: refresh
# mistake: a plain REFRESH, which needs the view for itself alone
# fails with: a refresh gets through while somebody reads
sql("REFRESH MATERIALIZED VIEW bestsellers")
