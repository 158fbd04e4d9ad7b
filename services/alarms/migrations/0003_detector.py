import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alarms', '0002_rule_within'),
        ('telemetry', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Detector',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('least', models.PositiveSmallIntegerField(default=10, help_text='有效数据少于该数的小时不检查。', validators=[django.core.validators.MinValueValidator(3)], verbose_name='最少有效数')),
                ('flat_hours', models.PositiveSmallIntegerField(help_text='连续这么多小时没有任何变化视为恒值，为零时视为无信号。', validators=[django.core.validators.MinValueValidator(1)], verbose_name='恒值时长（小时）')),
                ('spike', models.FloatField(help_text='单个值超过该小时中位数及前后相邻值的这么多倍视为尖峰。', validators=[django.core.validators.MinValueValidator(1)], verbose_name='尖峰倍数')),
                ('floor', models.FloatField(default=0, help_text='不高于该值的不视为尖峰。', verbose_name='尖峰下限')),
                ('step', models.FloatField(default=0, help_text='整小时低于此前中位数这么多倍视为单位错误，0为不检查。', validators=[django.core.validators.MinValueValidator(0)], verbose_name='单位错误倍数')),
                ('before_hours', models.PositiveSmallIntegerField(default=24, help_text='中位数取自此前这么多小时。', validators=[django.core.validators.MinValueValidator(6)], verbose_name='参照时长（小时）')),
                ('valid_from', models.DateField(verbose_name='启用日期')),
                ('citation', models.CharField(max_length=200, verbose_name='依据')),
                ('factor', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='telemetry.factor', verbose_name='监测因子')),
            ],
            options={
                'verbose_name': '数据异常检测',
                'verbose_name_plural': '数据异常检测',
                'ordering': ['factor', 'valid_from'],
                'constraints': [models.UniqueConstraint(fields=('factor', 'valid_from'), name='detector_once')],
            },
        ),
    ]
