# exercise: alter
# mistake: waits for the lock as long as it takes, and everybody who comes later waits behind it
# fails with: visitors get their orders while the report is open
return sql(statement, by=connection)
